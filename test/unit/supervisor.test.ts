import { describe, expect, test } from 'vitest';
import { agentKind } from '#shared/registry/agent.ts';
import { supervisorOf } from '#shared/supervision/tree.ts';
import { START } from '#test/support/decide.ts';
import { anAgent } from '#test/support/task-world.ts';
import { treeWorld } from '#test/support/tree-world.ts';

type World = ReturnType<typeof treeWorld>;

const event = (id: string, event_type: string, body: object = {}) => [`supervisor.${id}.events`, { event_type, ...body }] as const;
const created = (id: string, body: object) => [`agent.${id}.created`, body] as const;
const define = (world: World, supervisor_id: string, body: object = {}) => world.ask('define', { supervisor_id, ...body });
const childIds = async (world: World, id: string) => (await world.supervisor(id))?.children.map((child) => child.id);
const ownerOf = async (world: World, agentId: string) => supervisorOf(await world.places([agentId]), agentId);

/** root over the domain nlp, over s1 with the agents a1 and a2, and over s2 with b1. */
const nlp = async () => {
  const world = treeWorld();
  await define(world, 's1', { parent: 'domain-nlp', children: ['a1', 'a2'] });
  await define(world, 's2', { parent: 'domain-nlp', children: ['b1'] });
  return world;
};

describe('a supervisor', () => {
  test('that its process says to have started is in the tree, with the defaults of document 003', async () => {
    const world = treeWorld();
    expect(
      await world.tell(event('s1', 'started', { parent: 'domain-nlp', children: ['a1', { id: 'a2', restart: 'transient' }] })),
    ).toEqual([undefined]);
    expect(await world.supervisor('s1')).toEqual({
      strategy: 'one_for_one',
      intensity: 3,
      period: 60_000,
      autoShutdown: 'never',
      children: [
        { id: 'a1', type: 'agent', restart: 'permanent', significant: false, shutdown: 5000 },
        { id: 'a2', type: 'agent', restart: 'transient', significant: false, shutdown: 5000 },
      ],
      startedAt: START,
    });
    expect(await world.tree()).toEqual({ parents: { 'domain-nlp': 'root', s1: 'domain-nlp' } });
    expect([await childIds(world, 'root'), await childIds(world, 'domain-nlp'), await ownerOf(world, 'a1')]).toEqual([
      ['domain-nlp'],
      ['s1'],
      's1',
    ]);
  });

  test.each([
    ['root', 'one_for_all'],
    ['domain-nlp', 'rest_for_one'],
    ['s1', 'one_for_one'],
  ])('called %s is %s by default', async (id, strategy) => {
    expect(await define(treeWorld(), id)).toMatchObject({ supervisor: { supervisor_id: id, strategy, intensity: 3, period_ms: 60_000 } });
  });

  test('keeps what a later definition leaves out, of its children too', async () => {
    const world = treeWorld();
    await define(world, 's1', { strategy: 'one_for_all', intensity: 1, period_ms: 5000, children: [{ id: 'a1', restart: 'temporary' }] });
    expect(await define(world, 's1', { intensity: 2, children: ['a0', 'a1'] })).toMatchObject({
      supervisor: {
        strategy: 'one_for_all',
        intensity: 2,
        period_ms: 5000,
        parent: 'root',
        children: [{ id: 'a0' }, { id: 'a1', restart: 'temporary' }],
      },
    });
  });

  test('that starts again as it was changes only when it started; after it stopped nobody knows', async () => {
    const world = await nlp();
    const said = { parent: 'domain-nlp', children: ['a1', 'a2'] };
    await world.tell(event('s1', 'started', said));
    const [before, writes] = [await world.supervisor('s1'), world.writes()];
    world.pass(1000);
    await world.tell(event('s1', 'started', said));
    expect([await world.supervisor('s1'), world.writes()]).toEqual([{ ...before, startedAt: START + 1000 }, writes + 1]);
    world.pass(1000);
    await world.tell(event('s1', 'stopped'));
    expect(await world.supervisor('s1')).toEqual({ ...before, startedAt: null });
  });

  test('that says nothing new costs nothing', async () => {
    const world = await nlp();
    const before = world.writes();
    await world.tell(event('s1', 'updated', { children: ['a1', 'a2'] }), event('s1', 'child_added', { children: ['a2'] }));
    for (const word of ['escalation', 'recovering', 'recovered', 'gave_up', 'restart_failed'])
      await world.tell(event('s1', word, { affected_agents: ['a9'] }));
    expect(world.writes()).toBe(before);
  });

  test('is moved with all that is below it by its parent', async () => {
    const world = await nlp();
    await define(world, 's2', { parent: 's1' });
    expect([await world.tree(), await childIds(world, 'domain-nlp'), await childIds(world, 's1'), await ownerOf(world, 'b1')]).toEqual([
      { parents: { 'domain-nlp': 'root', s1: 'domain-nlp', s2: 's1' } },
      ['s1'],
      ['a1', 'a2', 's2'],
      's2',
    ]);
  });

  test('that another one names its child is taken from root, where it was for want of a parent', async () => {
    const world = treeWorld();
    await define(world, 's2');
    await define(world, 's1', { children: [{ id: 's2', type: 'supervisor' }, 'a1'] });
    expect([await world.tree(), await childIds(world, 'root'), await childIds(world, 's1')]).toEqual([
      { parents: { s1: 'root', s2: 's1' } },
      ['s1'],
      ['s2', 'a1'],
    ]);
  });

  test('that its parent no longer names is root’s last child', async () => {
    const world = await nlp();
    await define(world, 'domain-nlp', { children: [{ id: 's2', type: 'supervisor' }] });
    expect([await world.tree(), await childIds(world, 'root')]).toEqual([
      { parents: { 'domain-nlp': 'root', s1: 'root', s2: 'domain-nlp' } },
      ['domain-nlp', 's1'],
    ]);
  });

  test('without children can be removed, and defined anew', async () => {
    const world = treeWorld();
    await define(world, 's1', { intensity: 9 });
    await world.ask('remove', { supervisor_id: 's1' });
    expect([await world.tree(), await childIds(world, 'root')]).toEqual([{ parents: {} }, []]);
    expect(await define(world, 's1')).toMatchObject({ supervisor: { intensity: 3, parent: 'root' } });
  });
});

describe('children', () => {
  test('come last, or before another, and go; their order is the order of starting', async () => {
    const world = await nlp();
    await world.ask('add_child', { supervisor_id: 's1', child: { id: 'a3', shutdown_ms: 100 } });
    await world.ask('add_child', { supervisor_id: 's1', child: { id: 'a0' }, before: 'a1' });
    await world.tell(event('s1', 'child_added', { affected_agents: ['a4'] }), event('s1', 'child_removed', { children: ['a2'] }));
    expect(await childIds(world, 's1')).toEqual(['a0', 'a1', 'a3', 'a4']);
    expect([await ownerOf(world, 'a2'), await ownerOf(world, 'a4')]).toEqual([undefined, 's1']);
  });

  test('that were taken from one supervisor may be given to another', async () => {
    const world = await nlp();
    await world.ask('remove_child', { supervisor_id: 's1', child_id: 'a1' });
    expect(await world.ask('add_child', { supervisor_id: 's2', child: { id: 'a1' } })).toMatchObject({
      supervisor: { children: [{ id: 'b1' }, { id: 'a1' }] },
    });
  });

  test('join by themselves the supervisor that they name, where it is defined and they are nobody’s', async () => {
    const world = await nlp();
    await world.tell(
      created('a3', { supervisor: 's1' }),
      created('b1', { supervisor: 's1' }),
      created('a4', { supervisor: 's9' }),
      created('a5', { supervisor: 'domain-x' }),
    );
    expect([await childIds(world, 's1'), await ownerOf(world, 'b1'), await world.supervisor('s9'), await ownerOf(world, 'a5')]).toEqual([
      ['a1', 'a2', 'a3'],
      's2',
      undefined,
      undefined,
    ]);
  });

  test('that join in a burst are all there, in order', async () => {
    const world = await nlp();
    const many = Array.from({ length: 300 }, (_, n) => `w${n}`);
    await world.tell(...many.map((id) => created(id, { supervisor: 's1' })));
    expect(await childIds(world, 's1')).toEqual(['a1', 'a2', ...many]);
  });
});

describe('refused with a sentence is', () => {
  test.each([
    [
      'a cycle',
      'domain-nlp',
      { parent: 's1' },
      'invalid_cycle',
      'supervisor domain-nlp would be below itself (domain-nlp under s1 under domain-nlp): move one of them elsewhere',
    ],
    [
      'a supervisor of itself',
      's1',
      { parent: 's1' },
      'invalid_cycle',
      'supervisor s1 would be below itself (s1 under s1): move one of them elsewhere',
    ],
    [
      'a parent of root',
      'root',
      { parent: 's1' },
      'invalid_cycle',
      'supervisor root would be below itself (root under s1 under domain-nlp under root): move one of them elsewhere',
    ],
    [
      'root as a child',
      's1',
      { children: [{ id: 'root', type: 'supervisor' }] },
      'invalid_cycle',
      'supervisor s1 would be below itself (s1 under domain-nlp under root under s1): move one of them elsewhere',
    ],
    [
      'an orphan',
      's3',
      { parent: 's9' },
      'invalid_orphan',
      'supervisor s3 would be an orphan: its parent s9 is not defined; define s9 first',
    ],
    [
      'an agent with two parents',
      's2',
      { children: ['b1', 'a1'] },
      'invalid_second_parent',
      'agent a1 is a child of s1 already: take it from there first (control.supervisor.remove_child)',
    ],
    [
      'a supervisor with two parents',
      's3',
      { children: [{ id: 's1', type: 'supervisor' }] },
      'invalid_second_parent',
      'supervisor s1 is a child of domain-nlp already: to move it, define it with another parent',
    ],
    [
      'a child named twice',
      's1',
      { children: ['a1', 'a1'] },
      'invalid_duplicate',
      'the children of supervisor s1 name a1 twice: name it once, at its place in the order',
    ],
    [
      'a permanent child that is significant (OTP)',
      's1',
      { auto_shutdown: 'any_significant', children: [{ id: 'a1', significant: true }] },
      'invalid_significant',
      'child a1 of supervisor s1 is significant and permanent: its end cannot count, make it transient or temporary',
    ],
    [
      'a significant child without auto_shutdown (OTP)',
      's1',
      { children: [{ id: 'a1', significant: true, restart: 'transient' }] },
      'invalid_significant',
      'child a1 of supervisor s1 is significant, but auto_shutdown is never: set it to any_significant or all_significant',
    ],
    [
      'more than 90 agents at once',
      's1',
      { children: Array.from({ length: 89 }, (_, n) => `w${n}`) },
      'too_many',
      'this would change the place of 91 agents under supervisor s1, a message may change 90: send them in several (add_child or child_added)',
    ],
  ])('%s', async (_, id, body, code, message) => {
    const world = await nlp();
    const before = [await world.tree(), await world.supervisor(id), world.writes()];
    expect(await define(world, id, body)).toEqual({ error: { code, message } });
    expect(await world.tell(event(id, 'started', body))).toEqual([{ code, message }]);
    expect([await world.tree(), await world.supervisor(id), world.writes()]).toEqual(before);
  });

  test.each([
    ['remove', { supervisor_id: 's1' }, 'supervisor s1 has 2 children: take them from it first (control.supervisor.remove_child)'],
    ['remove', { supervisor_id: 'root' }, 'supervisor root cannot be removed: it is above all others'],
    [
      'remove',
      { supervisor_id: 's9' },
      'supervisor s9 is not defined: define it first (control.supervisor.define, or supervisor.s9.events with event_type started)',
    ],
    [
      'add_child',
      { supervisor_id: 's9', child: { id: 'a9' } },
      'supervisor s9 is not defined: define it first (control.supervisor.define, or supervisor.s9.events with event_type started)',
    ],
    [
      'add_child',
      { supervisor_id: 's1', child: { id: 'a9' }, before: 'b1' },
      'supervisor s1 has no child b1: control.supervisor.show lists those that it has',
    ],
    [
      'remove_child',
      { supervisor_id: 's1', child_id: 'b1' },
      'supervisor s1 has no child b1: control.supervisor.show lists those that it has',
    ],
    [
      'show',
      { supervisor_id: 's9' },
      'supervisor s9 is not defined: define it first (control.supervisor.define, or supervisor.s9.events with event_type started)',
    ],
  ])('%s of %j', async (verb, body, message) => {
    expect(await (await nlp()).ask(verb, body)).toMatchObject({ error: { message } });
  });

  test('nothing of a significant child that may be so (OTP)', async () => {
    const child = { id: 'a1', significant: true, restart: 'transient' };
    expect(await define(treeWorld(), 's1', { auto_shutdown: 'all_significant', children: [child] })).toMatchObject({
      supervisor: { children: [child] },
    });
  });
});

test('two moves of a supervisor in one batch: the second is tried again, on what the first left', async () => {
  const world = await nlp();
  const move = (parent: string) => event('s2', 'updated', { parent });
  expect(await world.tell(move('s1'), move('root'))).toEqual([
    undefined,
    { code: 'conflict', message: 'supervisor s2 is moved at this moment: try again' },
  ]);
  expect(await world.tell(move('root'))).toEqual([undefined]);
  expect([(await world.tree()).parents.s2, await childIds(world, 's1'), await childIds(world, 'root')]).toEqual([
    'root',
    ['a1', 'a2'],
    ['domain-nlp', 's2'],
  ]);
});

test('show answers the tree from root, with what the registry knows of the agents', async () => {
  const world = await nlp();
  await world.put(agentKind, 'a1', anAgent('a1'));
  const agents = [
    { id: 'a1', lifecycle: 'active', healthy: true },
    { id: 'a2', lifecycle: null, healthy: false },
  ];
  const below = [
    { supervisor_id: 's1', parent: 'domain-nlp', children: agents },
    { supervisor_id: 's2', children: [{ id: 'b1' }] },
  ];
  expect(await world.ask('show')).toMatchObject({
    supervisor: { supervisor_id: 'root', parent: null, children: [{ id: 'domain-nlp', type: 'supervisor', children: below }] },
  });
});
