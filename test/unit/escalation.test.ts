import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Case, caseKind } from '#functions/escalation/case.ts';
import { cases } from '#functions/escalation/decide.ts';
import { list } from '#functions/escalation/queries.ts';
import { settings } from '#functions/escalation/settings.ts';
import { readState } from '#shared/entity/kind.ts';
import { controlEscalationAck, controlEscalationList, controlEscalationResolve } from '#shared/messages/control.ts';
import { agentReady } from '#shared/messages/lifecycle.ts';
import { escalation } from '#shared/messages/supervision.ts';
import type { Agent } from '#shared/registry/agent.ts';
import type { Places } from '#shared/supervision/tree.ts';
import { drive, received, START } from '#test/support/decide.ts';

const registered = (profile: object, agent: object = {}) =>
  new Map([['a1', { profile: { agent_id: 'a1', capabilities: [], metadata: {}, ...profile }, ...agent } as unknown as Agent]]);

/** a1 is nobody's child. */
const nowhere = (): Places => ({ tree: { parents: {} }, places: new Map() });
/** a1 under s3 under s2 under domain-nlp under root. */
const deep = (): Places => ({
  tree: { parents: { s3: 's2', s2: 'domain-nlp', 'domain-nlp': 'root' } },
  places: new Map([['a1', { supervisor: 's3' }]]),
});

const ladder = (agents = registered({ supervisor: 's1', domain: 'nlp' }), where = nowhere()) =>
  drive(cases, settings.parse({}), { agents, where });

type Said = { level?: 1 | 2 | 3 | 4; failure?: string; sentAt?: number; body?: object };

const escalated = ({ level = 1, failure = 'e1', sentAt = START, body = {} }: Said = {}) =>
  received(
    escalation,
    { escalation_level: String(level) },
    { agent_id: 'a1', original_failure: failure, escalation_level: level, escalation_reason: 'critical failure', ...body },
    { sentAt },
  );

const ready = (sentAt: number) => received(agentReady, { agent_id: 'a1' }, { agent_id: 'a1' }, { sentAt });
const ack = (body: object = {}) => received(controlEscalationAck, {}, { agent_id: 'a1', by: 'kim', reason: 'looking at it', ...body });
const resolve = () => received(controlEscalationResolve, {}, { agent_id: 'a1', by: 'kim' });

const subjects = (story: ReturnType<typeof ladder>) => story.published.map(({ subject }) => subject);

describe('a case', () => {
  test('is handed to the supervisor of the agent, with a deadline', () => {
    const story = ladder();
    story.tell(escalated());
    expect(story.published).toEqual([
      {
        subject: 'supervisor.s1.events',
        body: {
          type: 'supervisor_lifecycle',
          supervisor_id: 's1',
          event_type: 'escalation',
          affected_agents: ['a1'],
          case_id: story.state('a1')?.caseId,
          escalation_level: 1,
          escalation_reason: 'critical failure',
          deadline: new Date(START + 30_000).toISOString(),
        },
      },
    ]);
  });

  test('goes up a level at each deadline that nobody answers, and stays with people', () => {
    const story = ladder();
    story.tell(escalated());
    story.until(START + 3_600_000);
    const passed = ['supervision.escalation.2', 'supervisor.domain-nlp.events', 'supervision.escalation.3', 'supervisor.root.events'];
    const people = ['supervision.escalation.4', 'supervisor.people.events', 'alerts.critical'];
    expect(subjects(story)).toEqual(['supervisor.s1.events', ...passed, ...people]);
  });

  test('says why it goes up', () => {
    const story = ladder();
    story.tell(escalated());
    story.until(START + 30_000);
    expect(story.bodies('supervision.escalation.2')).toEqual([
      {
        type: 'escalation',
        agent_id: 'a1',
        original_failure: 'e1',
        escalation_level: 2,
        supervisor_id: 'domain-nlp',
        escalation_reason: 'nobody answered at level 1 within 30000 ms: critical failure',
      },
    ]);
  });

  test('takes the failures that come while it is open, and its deadline stays', () => {
    const story = ladder();
    story.tell(escalated());
    story.tell(escalated({ failure: 'e2', sentAt: START + 20_000 }));
    expect([story.state('a1'), story.wakeAt('a1'), story.published.length]).toMatchObject([
      { count: 2, failures: ['e1', 'e2'], openedAt: START },
      START + 30_000,
      1,
    ]);
  });

  test('counts a failure once', () => {
    const story = ladder();
    story.tell(escalated());
    story.tell(escalated({ sentAt: START + 1 }));
    expect([story.state('a1')?.count, story.writes()]).toEqual([1, 1]);
  });

  test('goes up at once when a failure comes in at a higher level', () => {
    const story = ladder();
    story.tell(escalated());
    story.tell(escalated({ level: 4, failure: 'e2' }));
    expect(subjects(story)).toEqual(['supervisor.s1.events', 'supervisor.people.events', 'alerts.critical']);
  });

  test.each([
    ['the registry knows', registered({ supervisor: 's1', domain: 'nlp' }), {}, 's1'],
    ['the escalation names', new Map<string, Agent>(), { supervisor_id: 's2' }, 's2'],
    ['is the domain where no supervisor is known', registered({ domain: 'nlp' }), {}, 'domain-nlp'],
    ['is root where nothing is known', new Map<string, Agent>(), {}, 'root'],
  ])('begins with the supervisor that %s', (_, agents, body, expected) => {
    const story = ladder(agents);
    story.tell(escalated({ body }));
    expect(subjects(story)).toEqual([`supervisor.${expected}.events`]);
  });

  test('is of the failure where no agent is named', () => {
    const story = ladder();
    story.tell(escalated({ body: { agent_id: undefined } }));
    expect(story.state('e1')).toMatchObject({ status: 'open', level: 1 });
  });
});

describe('a case of a supervisor’s child', () => {
  const handed = (story: ReturnType<typeof ladder>) =>
    story.bodies('supervisor.').map((body) => [body.supervisor_id, body.escalation_level]);

  test('climbs the tree: each supervisor above it in turn, the domain’s, root, people', () => {
    const story = ladder(undefined, deep());
    story.tell(escalated());
    story.until(START + 3_600_000);
    const climbed = [
      ['s3', 1],
      ['s2', 1],
      ['domain-nlp', 2],
      ['root', 3],
      ['people', 4],
    ];
    expect(handed(story)).toEqual(climbed);
    const passed = story.bodies('supervision.escalation').map((body) => [body.supervisor_id, body.escalation_level]);
    expect(passed).toEqual(climbed.slice(1));
  });

  test('has a deadline with each of them', () => {
    const story = ladder(undefined, deep());
    story.tell(escalated());
    story.until(START + 30_000);
    expect([story.state('a1'), story.wakeAt('a1')]).toMatchObject([{ level: 1, asked: ['s3', 's2'] }, START + 60_000]);
  });

  test.each([
    [
      'that names a supervisor above begins there',
      { body: { supervisor_id: 's2' } },
      [
        ['s2', 1],
        ['domain-nlp', 2],
      ],
    ],
    [
      'at the level of the domain begins there',
      { level: 2 as const },
      [
        ['domain-nlp', 2],
        ['root', 3],
      ],
    ],
    [
      'that names a supervisor of another place begins at the agent’s own',
      { body: { supervisor_id: 's9' } },
      [
        ['s3', 1],
        ['s2', 1],
      ],
    ],
  ])('%s', (_, said, expected) => {
    const story = ladder(undefined, deep());
    story.tell(escalated(said));
    story.until(START + 30_000);
    expect(handed(story)).toEqual(expected);
  });

  test('goes up at once when a supervisor above gives up on the same failure', () => {
    const story = ladder(undefined, deep());
    story.tell(escalated());
    story.tell(escalated({ level: 2, body: { supervisor_id: 'domain-nlp' } }));
    story.tell(escalated({ level: 1, body: { supervisor_id: 's2' } }));
    expect(handed(story)).toEqual([
      ['s3', 1],
      ['domain-nlp', 2],
    ]);
  });

  test('of a supervisor that is itself a child of root is with root next', () => {
    const story = ladder(undefined, { tree: { parents: { s1: 'root' } }, places: new Map([['a1', { supervisor: 's1' }]]) });
    story.tell(escalated());
    story.until(START + 60_000);
    expect(handed(story)).toEqual([
      ['s1', 2],
      ['root', 3],
      ['people', 4],
    ]);
  });

  test('climbs from the supervisor that it names too, if that one is in the tree', () => {
    const story = ladder(registered({ supervisor: 's2', domain: 'other' }), { ...deep(), places: new Map() });
    story.tell(escalated());
    story.until(START + 30_000);
    expect(handed(story)).toEqual([
      ['s2', 1],
      ['domain-nlp', 2],
    ]);
  });

  test.each([
    ['a supervisor comes in above it', { s3: 'new', new: 's2', s2: 'domain-nlp' }, ['s3', 'new', 's2', 'domain-nlp']],
    ['the one that it is with goes', { s2: 'domain-nlp' }, ['s3', 's2', 'domain-nlp']],
    ['it moves to another domain', { s3: 'domain-x' }, ['s3', 'domain-x', 'root']],
    ['it moves right under root', { s3: 'root' }, ['s3', 's3', 'root']],
  ])('asks nobody twice at a level, and everybody who is above it by then, when %s', (what, parents, expected) => {
    const where = deep();
    const story = ladder(undefined, where);
    story.tell(escalated());
    where.tree.parents = parents as Record<string, string>;
    if (what.endsWith('goes')) (where.places as Map<string, object>).set('a1', { supervisor: 's2' });
    story.until(START + (expected.length - 1) * 30_000);
    expect(handed(story).map(([id]) => id)).toEqual(expected);
  });
});

test.each([
  [{ level: 1, supervisor: 's1' }, ['s1']],
  [{ level: 1 }, []],
  [{ level: 2, supervisor: 's1' }, []],
  [{ level: 3 }, ['root']],
  [{ level: 4 }, ['people']],
])('a case that was stored before it said whom it is with, %j, is read', (was, asked) => {
  const old = { caseId: 'c1', status: 'open', openedAt: START, count: 1, failures: [], last: { reason: 'x', at: START }, ...was };
  const item = { key: 'escalation#a1', version: 1, schema: 1, state: old, applied: {}, outbox: {}, nonce: '' } as const;
  expect(readState(caseKind, item)).toEqual({ ...old, asked });
});

describe('somebody', () => {
  test('who acknowledges stops the ladder, and all hear who and why', () => {
    const story = ladder();
    story.tell(escalated());
    const { reply } = story.tell(ack()) as { reply?: unknown };
    story.until(START + 3_600_000);
    expect(reply).toMatchObject({ body: { case: { agent_id: 'a1', status: 'acknowledged', acknowledged: { by: 'kim' } } } });
    expect(story.bodies('alerts')).toMatchObject([
      { severity: 'low', agent_ids: ['a1'], summary: 'the escalation of agent a1 is acknowledged by kim: looking at it' },
    ]);
    expect(subjects(story)).toEqual(['supervisor.s1.events', 'alerts.low']);
  });

  test('who acknowledges second is told who was first', () => {
    const story = ladder();
    for (const event of [escalated(), ack()]) story.tell(event);
    expect(story.tell(ack({ by: 'lee' }))).toMatchObject({ reply: { body: { case: { acknowledged: { by: 'kim' } } } } });
  });

  test('who resolves closes the case; the next failure opens another', () => {
    const story = ladder();
    story.tell(escalated());
    const first = story.state('a1')?.caseId;
    story.tell(resolve());
    story.tell(escalated({ failure: 'e2', sentAt: START + 60_000 }));
    expect(story.state('a1')).toMatchObject({ status: 'open', count: 1, failures: ['e2'], openedAt: START + 60_000 });
    expect(story.state('a1')?.caseId).not.toBe(first);
  });

  test.each([
    ['acknowledges', ack()],
    ['resolves', resolve()],
  ])('who %s where nothing is open is told so', (_, event) => {
    expect(ladder().tell(event)).toMatchObject({ reply: { error: { code: 'not_found', message: 'agent a1 has no open escalation' } } });
  });

  test('sees the cases that are not resolved', () => {
    const story = ladder();
    story.tell(escalated());
    const open = story.state('a1') as Case;
    const answer = list.answer(
      {
        states: new Map([
          ['a1', open],
          ['a2', { ...open, status: 'resolved' as const }],
        ]),
      },
      received(controlEscalationList, {}, {}),
      START,
    );
    expect(answer).toMatchObject({ body: { cases: [{ agent_id: 'a1', escalation_level: 1, status: 'open' }] } });
  });
});

describe('the agent', () => {
  test('that is ready after its failure resolves its case, and says so', () => {
    const story = ladder();
    story.tell(escalated());
    story.tell(ready(START + 1000));
    expect(story.state('a1')).toMatchObject({ status: 'resolved', resolved: { by: 'a1', reason: 'the agent is ready again' } });
    expect([story.wakeAt('a1'), subjects(story)]).toEqual([null, ['supervisor.s1.events', 'alerts.low']]);
  });

  test('that was ready before it failed resolves nothing', () => {
    const story = ladder();
    story.tell(escalated());
    story.tell(ready(START));
    expect(story.state('a1')?.status).toBe('open');
  });

  test('that became ready before the escalation was heard of is seen in the registry', () => {
    const story = ladder(registered({ supervisor: 's1' }, { lifecycle: 'active', responsive: true, since: START + 5 }));
    story.tell(escalated());
    story.until(START + 30_000);
    expect(subjects(story)).toEqual(['supervisor.s1.events', 'alerts.low']);
  });

  test('without a case costs nothing when it is ready', () => {
    const story = ladder();
    story.tell(ready(START));
    expect(story.writes()).toBe(0);
  });
});

test('a stray alarm changes nothing', () => {
  const story = ladder();
  story.tell(escalated());
  story.ring('a1');
  expect([story.state('a1')?.level, story.writes()]).toEqual([1, 1]);
});

test('an agent has at most one open case, which only goes up, and people are called once a case', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('failure' as const), level: fc.constantFrom(1, 2, 3, 4), failure: fc.nat(20) }),
    fc.record({ kind: fc.constantFrom('ack' as const, 'resolve' as const, 'ready' as const, 'wait' as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, isChild) => {
      const story = ladder(undefined, isChild ? deep() : nowhere());
      let now = START;
      for (const one of steps) {
        now += 10_000;
        story.until(now);
        const before = story.state('a1');
        if (one.kind === 'failure') story.tell(escalated({ level: one.level as 1, failure: `e${one.failure}`, sentAt: now }));
        else if (one.kind === 'ready') story.tell(ready(now));
        else if (one.kind !== 'wait') story.tell(one.kind === 'ack' ? ack() : resolve());
        const after = story.state('a1');
        if (before?.caseId === after?.caseId) expect(after?.level ?? 0).toBeGreaterThanOrEqual(before?.level ?? 0);
        else expect(before?.status ?? 'resolved').toBe('resolved');
      }
      const called = story.bodies('supervisor.people').map(({ case_id }) => case_id);
      expect(new Set(called).size).toBe(called.length);
    }),
  );
});

test('however the tree changes meanwhile, a case that nobody answers asks nobody twice at a level, never goes down and ends with people', () => {
  const id = fc.constantFrom('s1', 's2', 's3', 'domain-nlp', 'root');
  const trees = fc.array(fc.record({ parents: fc.dictionary(id, id, { maxKeys: 5 }), supervisor: fc.option(id) }), { maxLength: 12 });
  fc.assert(
    fc.property(trees, (changes) => {
      const where = deep();
      const story = ladder(undefined, where);
      story.tell(escalated());
      for (const { parents, supervisor } of changes) {
        where.tree.parents = parents;
        (where.places as Map<string, object>).set('a1', { supervisor });
        story.until(story.now() + 30_000);
      }
      story.until(story.now() + 3_600_000);
      const asked = story.bodies('supervisor.').map((body) => [body.escalation_level as number, body.supervisor_id] as const);
      expect(new Set(asked.map(String)).size).toBe(asked.length);
      expect(asked.map(([level]) => level)).toEqual(asked.map(([level]) => level).toSorted());
      expect(asked.at(-1)).toEqual([4, 'people']);
    }),
  );
});
