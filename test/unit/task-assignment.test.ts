/** A task from its submission to its end: who gets it, what happens when that goes wrong, and in which order tasks wait. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide } from '#functions/task-assignment/decide.ts';
import type { AnyKind } from '#shared/entity/kind.ts';
import { NO_TASKS, type Slots, slotsKey } from '#shared/tasks/slots.ts';
import { type Task, taskKind } from '#shared/tasks/task.ts';
import { START } from '#test/support/decide.ts';
import { anAgent, type Fate, taskWorld } from '#test/support/task-world.ts';

const task = (task_id: string, requirements: object = {}, more: object = {}) => ({
  task_id,
  requirements: { capabilities: ['ocr'], ...requirements },
  ...more,
});
const says = (task_id: string, agent_id: string, status: string, attempt = 1, more: object = {}) => ({
  task_id,
  agent_id,
  status,
  attempt,
  ...more,
});
const many = (count: number, of: (n: number) => string) => Array.from({ length: count }, (_, n) => of(n));

describe('a task', () => {
  test('goes to an agent that can do it, with its attempt and deadline, and ends when it is completed', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1'), anAgent('a2', { capabilities: ['nlp'] }));
    await world.submit(task('t1', { timeout_ms: 60_000 }, { payload: { page: 1 } }));
    await world.pass(500);
    await world.say(says('t1', 'a1', 'accepted'), says('t1', 'a1', 'completed', 1, { result: 'text' }));
    expect(world.published).toEqual([
      {
        subject: 'coordination.tasks.assignment.a1',
        body: { task_id: 't1', agent_id: 'a1', attempt: 1, deadline: '2026-01-01T00:01:00.000Z', payload: { page: 1 } },
        headers: { 'X-Deadline': ['2026-01-01T00:01:00.000Z'] },
      },
      { subject: 'circuit.a1.report', body: { service: 'a1', outcome: 'success', duration_ms: 500 } },
      {
        subject: 'coordination.tasks.done.t1',
        body: { task_id: 't1', outcome: 'completed', attempts: 1, result: 'text', duration_ms: 500 },
      },
    ]);
  });

  test('that is too large for the table is refused with a sentence', async () => {
    const world = taskWorld();
    await world.submit(task('t1', {}, { payload: 'x'.repeat(300_000) }));
    expect(world.deadLetters).toEqual(['task t1 has a payload of more than 300000 bytes: store it elsewhere and send a reference']);
  });

  test('with an id that no record of a state can hold is refused', async () => {
    const world = taskWorld();
    await world.submit(task('__proto__'));
    expect(world.deadLetters).toEqual(['task_id: must be one token of letters, digits, _ and -, not "__proto__"']);
  });

  test('that comes twice is one task', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1'));
    await world.submit(task('t1'), task('t1'));
    await world.submit(task('t1'));
    expect(world.assigned()).toEqual([['t1', 'a1']]);
  });

  test.each([
    ['cannot do all of it', anAgent('no', { capabilities: ['ocr'] })],
    ['is elsewhere', anAgent('no', { capabilities: ['ocr', 'de'], zone: 'us' })],
    ['is not well', anAgent('no', { capabilities: ['ocr', 'de'], zone: 'eu' }, { responsive: false })],
    ['is draining', anAgent('no', { capabilities: ['ocr', 'de'], zone: 'eu' }, { lifecycle: 'draining' })],
    ['is not asked', anAgent('stranger', { capabilities: ['ocr', 'de'], zone: 'eu' })],
  ])('does not go to an agent that %s', async (_, agent) => {
    const world = taskWorld();
    await world.join(agent);
    await world.submit(task('t1', { capabilities: ['ocr', 'de'], zone: 'eu' }, { participants: ['no', 'other'] }));
    expect(world.published).toEqual([]);
  });

  test('does not go to an agent whose circuit is open, and probes one that is half-open only so often', async () => {
    const world = taskWorld();
    await world.join(anAgent('bad'), anAgent('ill', { max_concurrent_tasks: 9 }));
    await world.circuit('bad', { state: 'open', epoch: 1 });
    await world.circuit('ill', { state: 'half-open', epoch: 4, permits: 2 });
    await world.submit(task('t1'), task('t2'), task('t3'));
    await world.say(says('t1', 'ill', 'completed'));
    expect(world.assigned().toSorted()).toEqual([
      ['t1', 'ill'],
      ['t2', 'ill'],
    ]);
    expect(world.bodies('circuit.ill')).toEqual([{ service: 'ill', outcome: 'success', duration_ms: 0, epoch: 4 }]);
  });
});

describe('the load', () => {
  test('of a batch is spread evenly', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 16 }), async (agents) => {
        const world = taskWorld();
        await world.join(...many(agents, (n) => `a${n}`).map((id) => anAgent(id, { max_concurrent_tasks: 100 })));
        await world.submit(...many(60, (n) => `t${n}`).map((id) => task(id)));
        const counts = [...Map.groupBy(world.assigned(), ([, agent]) => agent).values()].map((tasks) => tasks.length);
        expect(counts).toHaveLength(agents);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 15 },
    );
  });

  test('of a flood is spread among many agents nearly evenly, though each task is offered to some of them only', async () => {
    const world = taskWorld();
    await world.join(...many(200, (n) => `a${n}`).map((id) => anAgent(id, { max_concurrent_tasks: 20 })));
    await world.submit(...many(2000, (n) => `t${n}`).map((id) => task(id)));
    const counts = [...Map.groupBy(world.assigned(), ([, agent]) => agent).values()].map((tasks) => tasks.length);
    expect([counts.length, Math.min(...counts) >= 8, Math.max(...counts) <= 12]).toEqual([200, true, true]);
  });

  test('of equals goes round', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1'), anAgent('a2'), anAgent('a3'));
    for (const n of [0, 1, 2, 3, 4, 5]) {
      await world.submit(task(`t${n}`));
      await world.say(says(`t${n}`, world.assigned()[n]?.[1] as string, 'completed'));
    }
    expect(world.assigned().map(([, agent]) => agent)).toEqual(['a1', 'a2', 'a3', 'a1', 'a2', 'a3']);
  });

  test('is a share of what an agent can', async () => {
    const world = taskWorld();
    await world.join(anAgent('big', { max_concurrent_tasks: 6 }), anAgent('small', { max_concurrent_tasks: 2 }));
    await world.submit(...many(4, (n) => `t${n}`).map((id) => task(id)));
    const agents = world.assigned().map(([, agent]) => agent as string);
    expect(agents.toSorted()).toEqual(['big', 'big', 'big', 'small']);
  });
});

describe('an attempt', () => {
  test('that fails is made again by another agent, up to max_attempts', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1'), anAgent('a2'), anAgent('a3'));
    await world.submit(task('t1', { max_attempts: 2 }));
    await world.say(says('t1', 'a1', 'failed', 1, { error: 'no text' }));
    await world.say(says('t1', 'a2', 'failed', 2, { error: 'no text either' }));
    expect(world.assigned()).toEqual([
      ['t1', 'a1'],
      ['t1', 'a2'],
    ]);
    expect(world.bodies('coordination.tasks.done')).toEqual([
      { task_id: 't1', outcome: 'failed', attempts: 2, error: 'no text either', duration_ms: 0 },
    ]);
    expect(world.bodies('circuit').map(({ service, outcome }) => [service, outcome])).toEqual([
      ['a1', 'failure'],
      ['a2', 'failure'],
    ]);
  });

  test('is made by the same agent only where there is no other', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1'));
    await world.submit(task('t1'));
    await world.say(says('t1', 'a1', 'failed'));
    expect(world.assigned()).toEqual([
      ['t1', 'a1'],
      ['t1', 'a1'],
    ]);
  });

  test('waits for another agent that is busy', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1', { max_concurrent_tasks: 1 }), anAgent('a2', { max_concurrent_tasks: 1 }));
    await world.submit(task('t1'), task('t2'));
    await world.say(says('t1', 'a1', 'failed'));
    expect(await world.state('t1')).toMatchObject({ phase: 'waiting', tried: ['a1'] });
    await world.say(says('t2', 'a2', 'completed'));
    expect(world.assigned().at(-1)).toEqual(['t1', 'a2']);
  });

  test('that is not accepted within ten seconds goes to another agent, and its result is ignored and said', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1'), anAgent('a2'));
    await world.submit(task('t1'));
    await world.pass(10_000);
    await world.say(says('t1', 'a1', 'completed', 1, { result: 'late' }));
    await world.say(says('t1', 'a2', 'completed', 2, { result: 'good' }));
    expect(world.bodies('coordination.tasks.done')).toEqual([
      { task_id: 't1', outcome: 'completed', attempts: 2, result: 'good', duration_ms: 0 },
    ]);
    expect(world.bodies('alerts.low')).toMatchObject([
      { summary: 'task t1: the result of attempt 1 by agent a1 is ignored: it was given up on' },
    ]);
  });

  test('that is accepted has until its deadline', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1'));
    await world.submit(task('t1', { timeout_ms: 60_000, max_attempts: 1 }));
    await world.say(says('t1', 'a1', 'accepted'));
    await world.pass(59_999);
    expect(world.bodies('coordination.tasks.done')).toEqual([]);
    await world.pass(1);
    expect(world.bodies('coordination.tasks.done')).toMatchObject([{ outcome: 'timed_out', error: { code: 'not_finished' } }]);
  });

  test('is not blamed for an outage: an alarm that rings far too late gives it time to be heard', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1'), anAgent('a2'));
    await world.submit(task('t1'));
    await world.pass(25_000, 15_000);
    await world.say(says('t1', 'a1', 'completed'));
    expect(world.bodies('coordination.tasks.done')).toMatchObject([{ outcome: 'completed', attempts: 1 }]);
  });

  test('from before slots had alarms hands its own on to them, and does not ring for ever', () => {
    const times = { at: START, due: START + 300_000, deadline: START + 300_000 };
    const slots: Slots = { ...NO_TASKS, active: { t1: { attempt: 1, ...times } } };
    const work = { priority: 'normal' as const, submittedAt: START, tried: ['a1'], timeout: 300_000, maxAttempts: 1 };
    const active: Task = { phase: 'active', ...work, need: { capabilities: [], participants: [] }, assignedAt: START };
    const also = ({ kind }: AnyKind) => (kind === 'slots' ? slots : active);
    const context = { id: 't1', now: START + 9000, wakeAt: START + 9000, also } as never;
    const decision = decide(active, { message: 'alarm', due: START + 9000, key: 'task#t1' }, context);
    expect([decision, taskKind.wakeAt?.(active)]).toMatchObject([{ state: active, also: { [slotsKey('a1')]: slots } }, null]);
  });

  test('that is completed twice is completed once, in silence', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1'));
    await world.submit(task('t1'));
    await world.say(says('t1', 'a1', 'completed'), says('t1', 'a1', 'completed'));
    expect(world.published.map(({ subject }) => subject)).toEqual([
      'coordination.tasks.assignment.a1',
      'circuit.a1.report',
      'coordination.tasks.done.t1',
    ]);
  });
});

describe('an agent that is gone', () => {
  test.each([
    ['agent.a1.stopped', { reason: 'deploy' }],
    ['agent.a1.error', { error: 'disk full' }],
    ['supervision.failures.critical', { agent_id: 'a1', failure_type: 'process_crash', severity: 'critical' }],
  ])('by %s leaves its tasks to others', async (subject, body) => {
    const world = taskWorld();
    await world.join(anAgent('a1'), anAgent('a2'));
    await world.submit(task('t1'), task('t2'), task('t3'));
    await world.join(anAgent('a1', {}, { lifecycle: 'terminated' }));
    await world.tell(subject, body);
    expect(world.assigned().slice(3)).toEqual([['t1', 'a2']]);
    expect(await world.state('t3')).toMatchObject({ phase: 'waiting', tried: ['a1'] });
  });

  test('keeps its tasks when it merely runs badly', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1'), anAgent('a2'));
    await world.submit(task('t1'));
    await world.tell('supervision.failures.low', { agent_id: 'a1', failure_type: 'memory_leak', severity: 'low' });
    expect(world.assigned()).toEqual([['t1', 'a1']]);
  });
});

describe('a task that nobody has room for', () => {
  test('waits by priority, then by age, for an agent that becomes free', async () => {
    const priorities = ['critical', 'high', 'normal', 'low'] as const;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(3), { minLength: 1, maxLength: 6 }), async (ranks) => {
        const world = taskWorld();
        await world.join(anAgent('a1', { max_concurrent_tasks: 1 }));
        await world.submit(task('first'));
        for (const [n, rank] of ranks.entries()) {
          await world.submit(task(`t${n}`, { priority: priorities[rank] }));
          await world.pass(1);
        }
        for (let n = 0; n < ranks.length; n++) await world.say(says(world.assigned()[n]?.[0] as string, 'a1', 'completed'));
        const inOrder = [...ranks.entries()].toSorted(([, a], [, b]) => a - b).map(([n]) => `t${n}`);
        expect(world.assigned().map(([id]) => id)).toEqual(['first', ...inOrder]);
      }),
      { numRuns: 30 },
    );
  });

  test('is passed over by an agent that has only the first of its capabilities', async () => {
    const world = taskWorld();
    await world.submit(task('both', { capabilities: ['ocr', 'de'] }), task('one'));
    await world.join(anAgent('a1'));
    await world.tell('agent.a1.ready');
    expect(world.assigned()).toEqual([['one', 'a1']]);
  });

  test('goes to an agent that gets ready, as soon as the registry knows of it', async () => {
    const world = taskWorld();
    await world.submit(task('t1'), task('t2'), task('t3'));
    await world.tell('agent.a1.ready');
    await world.pass(2000);
    await world.register(anAgent('a1'));
    expect(world.assigned()).toEqual([]);
    await world.pass(2000);
    expect(world.assigned()).toHaveLength(2);
  });

  test.each([
    ['closed', { epoch: 2 }],
    ['half-open', { epoch: 2, permits: 1 }],
  ] as const)('goes to an agent whose circuit gets %s', async (state, over) => {
    const world = taskWorld();
    await world.join(anAgent('a1'));
    await world.tell('agent.a1.ready');
    await world.circuit('a1', { state: 'open', epoch: 1 });
    await world.submit(task('t1'));
    expect(world.assigned()).toEqual([]);
    await world.circuit('a1', { state, ...over });
    await world.tell(`circuit.a1.${state}`);
    expect(world.assigned()).toEqual([['t1', 'a1']]);
  });

  test('goes to an agent that is resumed', async () => {
    const world = taskWorld();
    await world.register(anAgent('a1'));
    await world.tell('agent.a1.ready');
    await world.register(anAgent('a1', {}, { lifecycle: 'suspended' }));
    await world.submit(task('t1'));
    await world.pass(60_000);
    expect(world.assigned()).toEqual([]);
    await world.register(anAgent('a1'));
    await world.tell('agent.a1.resumed');
    expect(world.assigned()).toEqual([['t1', 'a1']]);
  });

  test('is not held up by others that wait for something else', async () => {
    const world = taskWorld();
    await world.submit(...many(150, (n) => `other${n}`).map((id) => task(id, { capabilities: ['nobody'], priority: 'critical' })));
    await world.submit(task('t1'));
    await world.join(anAgent('a1'));
    await world.tell('agent.a1.ready');
    expect(world.assigned()).toEqual([['t1', 'a1']]);
  });

  test('is unassigned at its timeout', async () => {
    const world = taskWorld();
    await world.submit(task('t1', { timeout_ms: 60_000 }));
    await world.pass(59_999);
    expect(world.published).toEqual([]);
    await world.pass(1);
    expect(world.bodies('coordination.tasks.done')).toEqual([{ task_id: 't1', outcome: 'unassigned', attempts: 0 }]);
  });
});

describe('an operator', () => {
  test('sees a task', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1'));
    await world.submit(task('t1', { priority: 'high' }));
    expect(await world.ask('control.tasks.show', { task_id: 't1' })).toMatchObject({
      task_id: 't1',
      phase: 'active',
      priority: 'high',
      agent_id: 'a1',
      attempts: 1,
    });
    expect(await world.ask('control.tasks.show', { task_id: 't2' })).toMatchObject({ code: 'not_found' });
  });

  test('cancels a task, once, and its agent is free', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1', { max_concurrent_tasks: 1 }));
    await world.submit(task('t1'), task('t2'));
    expect(await world.ask('control.tasks.cancel', { task_id: 't1', reason: 'not needed' })).toEqual({
      task_id: 't1',
      outcome: 'cancelled',
    });
    expect(await world.ask('control.tasks.cancel', { task_id: 't1' })).toMatchObject({ code: 'already_ended' });
    expect(world.assigned().at(-1)).toEqual(['t2', 'a1']);
  });

  test('cancels a task that waits, and nobody gets it any more', async () => {
    const world = taskWorld();
    await world.submit(task('t1'));
    await world.ask('control.tasks.cancel', { task_id: 't1' });
    await world.join(anAgent('a1'));
    await world.tell('agent.a1.ready');
    expect(world.assigned()).toEqual([]);
  });
});

describe('a task that depends on others', () => {
  test('begins when the last of them is completed, also of one that came after it', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1'));
    await world.submit(task('last', { depends_on: ['first', 'second'] }));
    await world.submit(task('first'), task('second'));
    await world.say(says('first', 'a1', 'completed'));
    expect(await world.ask('control.tasks.show', { task_id: 'last' })).toMatchObject({ phase: 'blocked', waits_for: ['second'] });
    await world.say(says('second', 'a1', 'completed'));
    expect(world.assigned().map(([id]) => id)).toEqual(['first', 'second', 'last']);
  });

  test('begins at once when all of them are completed already', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1'));
    await world.submit(task('first'));
    await world.say(says('first', 'a1', 'completed'));
    await world.submit(task('last', { depends_on: ['first'] }));
    expect(world.assigned().map(([id]) => id)).toEqual(['first', 'last']);
  });

  test.each(['before', 'after'])('fails when one of them did not succeed, known %s it came', async (when) => {
    const world = taskWorld();
    await world.join(anAgent('a1'));
    await world.submit(task('first', { max_attempts: 1 }));
    if (when === 'after') await world.submit(task('last', { depends_on: ['first'] }));
    await world.say(says('first', 'a1', 'failed'));
    if (when === 'before') await world.submit(task('last', { depends_on: ['first'] }));
    const error = { code: 'dependency_failed', message: 'task last depends on task first, which ended as failed' };
    expect(world.bodies('coordination.tasks.done.last')).toEqual([{ task_id: 'last', outcome: 'failed', attempts: 0, error }]);
  });

  test('takes those with it that depend on it', async () => {
    const world = taskWorld();
    await world.submit(task('a'), task('b', { depends_on: ['a'] }), task('c', { depends_on: ['b'] }));
    await world.ask('control.tasks.cancel', { task_id: 'a' });
    expect(world.bodies('coordination.tasks.done.').map(({ task_id, outcome }) => [task_id, outcome])).toEqual([
      ['a', 'cancelled'],
      ['b', 'failed'],
      ['c', 'failed'],
    ]);
  });

  test('waits no longer than a task waits for an agent, so that a circle ends', async () => {
    const world = taskWorld();
    await world.submit(task('a', { depends_on: ['b'], timeout_ms: 60_000 }), task('b', { depends_on: ['a'], timeout_ms: 90_000 }));
    await world.pass(60_000);
    const done = world.bodies('coordination.tasks.done.').map(({ task_id, outcome, error }) => [task_id, outcome, error]);
    expect(done).toMatchObject([
      ['a', 'unassigned', { code: 'dependency_open' }],
      ['b', 'failed', { code: 'dependency_failed' }],
    ]);
  });

  test('on itself is refused', async () => {
    const world = taskWorld();
    await world.submit(task('a', { depends_on: ['a'] }));
    expect(world.deadLetters).toEqual(['task a depends on itself: take it out of depends_on']);
  });
});

describe('a budget', () => {
  const at = (seconds: number) => new Date(START + seconds * 1000).toISOString();

  test('bounds every attempt, and is handed on to the agent', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1'), anAgent('a2'));
    await world.submit(task('t1', { deadline: at(30), timeout_ms: 20_000 }));
    await world.pass(12_000);
    await world.say(says('t1', world.assigned()[1]?.[1] as string, 'accepted', 2));
    expect(world.bodies('coordination.tasks.assignment.').map(({ deadline }) => deadline)).toEqual([at(20), at(30)]);
    expect(world.headers('coordination.tasks.assignment.')).toEqual([{ 'X-Deadline': [at(30)] }, { 'X-Deadline': [at(30)] }]);
    await world.pass(18_000);
    expect(world.bodies('coordination.tasks.done.')).toMatchObject([{ outcome: 'timed_out', attempts: 2 }]);
  });

  test('is that of who submits it, by X-Deadline', async () => {
    const world = taskWorld();
    await world.submitWith({ 'X-Deadline': [at(5)] }, task('t1'));
    await world.pass(5000);
    expect(world.bodies('coordination.tasks.done.')).toEqual([{ task_id: 't1', outcome: 'timed_out', attempts: 0 }]);
  });

  test('that is over is no time for an attempt, whoever gets free just then', async () => {
    const world = taskWorld();
    await world.submit(task('t1', { deadline: at(5) }));
    await world.join(anAgent('a1'));
    await world.pass(1000);
    await world.register(anAgent('a1', {}, { lifecycle: 'suspended' }));
    await world.pass(3999);
    await world.register(anAgent('a1'));
    await world.pass(1);
    expect([world.assigned(), world.bodies('coordination.tasks.done.')]).toMatchObject([[], [{ outcome: 'timed_out', attempts: 0 }]]);
  });

  test('that is over when the task comes ends it at once', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1'));
    await world.submit(task('t1', { deadline: at(-1) }));
    expect(world.bodies('coordination.tasks.done.')).toMatchObject([{ outcome: 'timed_out', error: { code: 'too_late' } }]);
  });
});

describe('the bulkhead of a domain', () => {
  const limits = { TASK_DOMAIN_LIMITS: JSON.stringify({ nlp: { concurrent: 2, waiting: 1 } }) };
  const inDomain = (id: string) => task(id, { domain: 'nlp' });

  test('lets so many of its tasks be under way, and so many wait, and refuses the rest with a sentence', async () => {
    const world = taskWorld(limits);
    await world.join(anAgent('a1', { domain: 'nlp', max_concurrent_tasks: 9 }));
    await world.submit(inDomain('t1'), inDomain('t2'), inDomain('t3'), inDomain('t4'));
    expect(
      world
        .assigned()
        .map(([id]) => id)
        .toSorted(),
    ).toEqual(['t1', 't2']);
    const message = '1 tasks of domain nlp wait already: try again later, or raise TASK_DOMAIN_LIMITS';
    expect(world.bodies('coordination.tasks.done.')).toMatchObject([
      { task_id: 't4', outcome: 'unassigned', error: { code: 'queue_full', message } },
    ]);
    await world.say(says('t1', 'a1', 'completed'));
    expect(world.assigned().at(-1)).toEqual(['t3', 'a1']);
  });

  test('leaves the agents of other domains alone, and the other tasks of its own', async () => {
    const world = taskWorld(limits);
    await world.join(anAgent('a1', { domain: 'nlp', max_concurrent_tasks: 9 }), anAgent('b1', { domain: 'law' }));
    await world.submit(inDomain('t1'), inDomain('t2'), inDomain('t3'));
    await world.submit(task('free', {}, { participants: ['a1'] }), task('law', { domain: 'law' }));
    expect(world.assigned().slice(2)).toEqual([
      ['free', 'a1'],
      ['law', 'b1'],
    ]);
  });
});

describe('a bulkhead', () => {
  test('counts the end of a task whose agent is draining', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1', { domain: 'nlp' }));
    await world.submit(task('t1', { domain: 'nlp' }));
    await world.register(anAgent('a1', { domain: 'nlp' }, { lifecycle: 'draining' }));
    await world.say(says('t1', 'a1', 'completed'));
    expect([world.errors, world.bodies('coordination.tasks.done.')]).toMatchObject([[], [{ outcome: 'completed' }]]);
  });

  test('keeps the flood of one domain from hiding what waits in another', async () => {
    const world = taskWorld();
    await world.join(anAgent('b1', { domain: 'law', max_concurrent_tasks: 1 }));
    await world.submit(task('first', { domain: 'law' }));
    await world.submit(...many(600, (n) => `flood${n}`).map((id) => task(id, { domain: 'nlp' })));
    await world.submit(task('next', { domain: 'law' }));
    await world.say(says('first', 'b1', 'completed'));
    expect(world.assigned().at(-1)).toEqual(['next', 'b1']);
  });
});

describe('low tasks', () => {
  test('are not starved by a standing flood of critical ones: every eighth that an agent takes is the oldest', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1', { max_concurrent_tasks: 1 }));
    await world.submit(task('first'), task('low', { priority: 'low' }));
    for (let n = 0; n < 10; n++) {
      await world.pass(1);
      await world.submit(task(`c${n}`, { priority: 'critical' }));
      await world.say(says(world.assigned().at(-1)?.[0] as string, 'a1', 'completed'));
    }
    expect(world.assigned().findIndex(([id]) => id === 'low')).toBe(7);
  });
});

describe('the policy', () => {
  test('is that of the task, or of the subject of assignments', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1', { zone: 'us', max_concurrent_tasks: 9 }), anAgent('a2', { zone: 'eu', max_concurrent_tasks: 9 }));
    await world.routing({ pattern: 'coordination.tasks.*', policy: { type: 'topology_aware', preferred_zones: ['us'] } });
    await world.submit(task('t1'), task('t2'));
    await world.submit(task('t3', { policy: { type: 'topology_aware', preferred_zones: ['eu'] } }));
    expect(world.assigned().map(([, agent]) => agent)).toEqual(['a1', 'a1', 'a2']);
  });

  test('is that of tasks that wait, too: who is not meant by it does not take them', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1', { max_concurrent_tasks: 1 }), anAgent('a2', { max_concurrent_tasks: 1 }));
    await world.submit(task('b1'), task('b2'));
    await world.submit(task('own', { policy: { type: 'round_robin', targets: ['a2'] } }));
    await world.say(says(world.assigned().find(([, agent]) => agent === 'a1')?.[0] as string, 'a1', 'completed'));
    expect(await world.state('own')).toMatchObject({ phase: 'waiting' });
    await world.say(says(world.assigned().find(([, agent]) => agent === 'a2')?.[0] as string, 'a2', 'completed'));
    expect(world.assigned().at(-1)).toEqual(['own', 'a2']);
  });

  test('of the subject is that of tasks that wait, too', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1', { max_concurrent_tasks: 1 }));
    await world.submit(task('t1'));
    await world.routing({ pattern: 'coordination.tasks.*', policy: { type: 'round_robin', targets: ['a2'] } });
    await world.submit(task('t2'));
    await world.say(says('t1', 'a1', 'completed'));
    expect(await world.state('t2')).toMatchObject({ phase: 'waiting' });
  });

  test('finds the few that it prefers in a fleet of which only some are looked at', async () => {
    const world = taskWorld();
    await world.join(...many(300, (n) => `a${n}`).map((id) => anAgent(id, { zone: 'us' })), anAgent('far', { zone: 'eu' }));
    await world.submit(task('t1', { policy: { type: 'topology_aware', preferred_zones: ['eu', 'us'] } }));
    await world.submit(task('t2', { policy: { type: 'capability_based', preference_order: ['a250'] } }));
    expect(world.assigned()).toEqual([
      ['t1', 'far'],
      ['t2', 'a250'],
    ]);
  });

  test('by response time prefers the agent whose tasks took the shortest', async () => {
    const world = taskWorld();
    await world.join(...['a1', 'a2', 'a3'].map((id) => anAgent(id, { max_concurrent_tasks: 9 })));
    for (const [id, ms] of [
      ['a1', 900],
      ['a2', 100],
      ['a3', 900],
    ] as const)
      await world.circuit(id, { response: { ms, at: START } });
    await world.submit(task('t1', { policy: 'response_time' }), task('t2', { policy: 'response_time' }));
    expect(world.assigned().map(([, agent]) => agent)).toEqual(['a2', 'a2']);
  });
});

describe('progress', () => {
  test('is shown, with the end of the attempt', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1'));
    await world.submit(task('t1', { timeout_ms: 60_000 }));
    await world.say(says('t1', 'a1', 'progress', 1, { progress: { pages: 3 } }));
    const deadline = '2026-01-01T00:01:00.000Z';
    expect(await world.ask('control.tasks.show', { task_id: 't1' })).toMatchObject({ accepted: true, progress: { pages: 3 }, deadline });
  });
});

describe('a fleet', () => {
  test('of which only some is looked at: what has no room is not the end of the search', async () => {
    const world = taskWorld();
    await world.join(...many(200, (n) => `busy${n}`).map((id) => anAgent(id, { max_concurrent_tasks: 1 }, { status: 'paused' })));
    await world.join(anAgent('free'));
    await world.submit(task('t1'));
    expect(world.assigned()).toEqual([['t1', 'free']]);
  });

  test('is found by all that an agent can, wherever it is, and no longer when it stopped', async () => {
    const world = taskWorld();
    const agent = anAgent('a1', { capabilities: ['ocr', 'de'], zone: 'eu', domain: 'nlp' });
    await world.register(agent);
    await world.tell('agent.a1.ready');
    const needs = [{}, { capabilities: ['de'] }, { zone: 'eu' }, { domain: 'nlp' }, { capabilities: ['ocr'], domain: 'nlp', zone: 'eu' }];
    for (const [n, need] of needs.entries()) {
      await world.submit({ task_id: `t${n}`, requirements: need });
      await world.say(says(`t${n}`, 'a1', 'completed'));
    }
    await world.tell('agent.a1.stopped');
    await world.submit(task('late'));
    expect(world.assigned().map(([id]) => id)).toEqual(['t0', 't1', 't2', 't3', 't4']);
  });
});

describe('an agent that comes and goes', () => {
  test('is found once the registry knows of it, also when its circuit closes before', async () => {
    const world = taskWorld();
    await world.tell('agent.a1.ready');
    await world.tell('circuit.a1.closed', { service: 'a1', state: 'closed', epoch: 1 });
    await world.register(anAgent('a1'));
    await world.pass(2000);
    await world.submit(task('t1'));
    expect(world.assigned()).toEqual([['t1', 'a1']]);
  });

  test('is found, though its stop before is heard after it is ready again', async () => {
    const world = taskWorld();
    await world.pass(5000);
    await world.register(anAgent('a1', {}, { since: START + 4000 }));
    await world.tell('agent.a1.ready');
    await world.pass(5000);
    await world.tell('agent.a1.stopped', {}, START + 3000);
    await world.submit(task('t1'));
    expect(world.assigned()).toEqual([['t1', 'a1']]);
  });

  test('takes large tasks a few at a time', async () => {
    const world = taskWorld();
    await world.register(anAgent('a1', { max_concurrent_tasks: 50 }));
    for (let n = 0; n < 20; n++) await world.submit(task(`t${n}`, {}, { payload: 'x'.repeat(290_000) }));
    await world.tell('agent.a1.ready');
    await world.pass(100);
    expect([world.assigned().length, world.errors]).toEqual([20, []]);
  });
});

const needs = (id: string): object => {
  if (id.endsWith('7')) return { depends_on: ['t0', 't3'], priority: 'low' };
  if (id.endsWith('5')) return { domain: 'nlp', deadline: new Date(START + 200_000).toISOString() };
  return id < 't2' ? { capabilities: ['nlp'] } : { priority: 'high' };
};

/** What may happen next. `n` picks among tasks, agents and assignments. */
const step = fc.record({
  what: fc.constantFrom('submit', 'accepted', 'completed', 'failed', 'stopped', 'ready', 'cancel', 'pass'),
  n: fc.nat(30),
});

const fate = fc.constantFrom<Fate>('once', 'twice', 'answer lost', 'timers lost');

// The world looks after every batch whether an agent has too much, slots and tasks disagree, or a task ends twice.
test('whatever happens, in any order and at the same time: never over capacity, attempts within their limit, one end a task', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { maxLength: 8 }), { maxLength: 12 }), fc.infiniteStream(fate), async (rounds, fates) => {
      const world = taskWorld({ TASK_DOMAIN_LIMITS: '{"nlp": {"concurrent": 1, "waiting": 2}}' }, () => fates.next().value);
      const able = anAgent('a2', { capabilities: ['ocr', 'nlp'] });
      await world.join(anAgent('a0', { domain: 'nlp' }), anAgent('a1', { domain: 'nlp', max_concurrent_tasks: 1 }), able);
      const submitted = new Set<string>();
      for (const round of rounds) {
        const ids = round.filter(({ what }) => what === 'submit').map(({ n }) => `t${n}`);
        for (const id of ids) submitted.add(id);
        const assignments = world.bodies('coordination.tasks.assignment.');
        const said = round.flatMap(({ what, n }) => {
          const assignment = assignments[assignments.length - 1 - n];
          if (!assignment || !['accepted', 'completed', 'failed'].includes(what)) return [];
          return says(assignment.task_id as string, assignment.agent_id as string, what, assignment.attempt as number);
        });
        await Promise.all([
          world.submit(...ids.map((id) => task(id, needs(id)))),
          world.say(...said),
          ...round.map(({ what, n }) => {
            if (what === 'stopped' || what === 'ready') return world.tell(`agent.a${n % 3}.${what}`);
            return what === 'cancel' ? world.ask('control.tasks.cancel', { task_id: `t${n}` }) : undefined;
          }),
        ]);
        for (const { what, n } of round) if (what === 'pass') await world.pass(n * 1000);
      }
      // Agents that say nothing any more, and time enough for all attempts and waits.
      await world.pass(3_600_000);
      const ends = world.bodies('coordination.tasks.done.').map(({ task_id }) => task_id as string);
      expect(ends.toSorted()).toEqual([...submitted].toSorted());
      expect(world.errors).toEqual([]);
    }),
    { numRuns: 60 },
  );
}, 60_000);
