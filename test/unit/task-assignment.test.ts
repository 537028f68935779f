/** A task from its submission to its end: who gets it, what happens when that goes wrong, and in which order tasks wait. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anAgent, taskWorld } from '#test/support/task-world.ts';

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
      },
      { subject: 'circuit.a1.report', body: { service: 'a1', outcome: 'success', duration_ms: 500 } },
      { subject: 'coordination.tasks.done.t1', body: { task_id: 't1', outcome: 'completed', attempts: 1, result: 'text' } },
    ]);
  });

  test('that comes twice is one task', async () => {
    const world = taskWorld();
    await world.join(anAgent('a1'));
    await world.submit(task('t1'), task('t1'));
    await world.submit(task('t1'));
    expect(world.assigned()).toEqual([['t1', 'a1']]);
  });

  test.each(['broadcast', 'pipeline', 'parallel', 'map_reduce'])('for %s is refused with a sentence', async (type) => {
    const world = taskWorld();
    await world.submit({ ...task('t1'), type });
    expect(world.deadLetters).toEqual([`task t1 asks for ${type}, which nobody does yet: send it as assignment`]);
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
  test('of a batch of a hundred tasks is spread evenly', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 100 }), async (agents) => {
        const world = taskWorld();
        await world.join(...many(agents, (n) => `a${n}`).map((id) => anAgent(id, { max_concurrent_tasks: 100 })));
        await world.submit(...many(100, (n) => `t${n}`).map((id) => task(id)));
        const counts = [...Map.groupBy(world.assigned(), ([, agent]) => agent).values()].map((tasks) => tasks.length);
        expect(counts).toHaveLength(agents);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 15 },
    );
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
    expect(world.bodies('coordination.tasks.done')).toEqual([{ task_id: 't1', outcome: 'failed', attempts: 2, error: 'no text either' }]);
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
    expect(world.bodies('coordination.tasks.done')).toEqual([{ task_id: 't1', outcome: 'completed', attempts: 2, result: 'good' }]);
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
      fc.asyncProperty(fc.array(fc.nat(3), { minLength: 1, maxLength: 12 }), async (ranks) => {
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
    await world.join(anAgent('a1'));
    await world.pass(999);
    expect(world.assigned()).toEqual([]);
    await world.pass(1);
    expect(world.assigned()).toHaveLength(2);
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

/** What may happen next. `n` picks among tasks, agents and assignments. */
const step = fc.record({
  what: fc.constantFrom('submit', 'accepted', 'completed', 'failed', 'stopped', 'ready', 'cancel', 'pass'),
  n: fc.nat(30),
});

// The world looks after every batch whether an agent has too much, slots and tasks disagree, or a task ends twice.
test('whatever happens, in any order and at the same time: never over capacity, attempts within their limit, one end a task', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { maxLength: 8 }), { maxLength: 12 }), async (rounds) => {
      const world = taskWorld();
      await world.join(anAgent('a0'), anAgent('a1', { max_concurrent_tasks: 1 }), anAgent('a2', { capabilities: ['ocr', 'nlp'] }));
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
          world.submit(...ids.map((id) => task(id, id < 't2' ? { capabilities: ['nlp'] } : { priority: 'high' }))),
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
