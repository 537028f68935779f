/** Tasks for many: each of the four types, in order, at once, slowly, failing, out of time, cancelled. */
import { describe, expect, test } from 'vitest';
import { START } from '#test/support/decide.ts';
import { type Asked, type Deed, failed, groupWorld, hangs, ok } from '#test/support/group-world.ts';

const numberOf = ({ task_id }: Asked): number => Number(/-(\d+)b?$/.exec(task_id)?.[1]);
const payloads = (tasks: readonly Asked[]): unknown[] => tasks.map(({ payload }) => payload);
const many = (count: number, prefix = 'a'): string[] => Array.from({ length: count }, (_, n) => `${prefix}${String(n).padStart(4, '0')}`);
const partsOf = (count: number) => Array.from({ length: count }, (_, n) => ({ payload: n }));
const deeds = (by: Record<number, Deed>) => (task: Asked) => by[numberOf(task)] ?? ok(task.payload);

describe('a broadcast', () => {
  test('is a task for each agent that fits, and ends with what each answered', async () => {
    const world = groupWorld({ deed: ({ participants }) => ok(`by ${participants}`) });
    await world.join(['a1', 'a2']);
    await world.join(['b1'], { capabilities: ['other'] });
    await world.join(['c1'], {}, { responsive: false });
    await world.start('broadcast', { requirements: { capabilities: ['work'], priority: 'high' }, payload: { say: 'hello' } });
    await world.pass(1000);
    expect(world.asked().map(({ task_id, participants, payload }) => [task_id, participants, payload])).toEqual([
      ['group-g-0001', ['a1'], { say: 'hello' }],
      ['group-g-0002', ['a2'], { say: 'hello' }],
    ]);
    expect(world.ends()).toEqual([
      {
        task_id: 'g',
        outcome: 'completed',
        coordination_type: 'broadcast',
        attempts: 2,
        counts: { parts: 2, completed: 2, failed: 0, missing: 0 },
        result: { a1: 'by a1', a2: 'by a2' },
      },
    ]);
  });

  test('says who failed and who is missing, and min_success decides', async () => {
    const world = groupWorld({ deed: deeds({ 2: failed, 3: hangs }) });
    await world.join(['a1', 'a2', 'a3']);
    const requirements = { timeout_ms: 5000, min_success: 1 };
    await world.start('broadcast', { participants: ['a1', 'a2', 'a3', 'gone'], requirements, payload: 7 });
    await world.pass(10_000);
    expect(world.ends()).toMatchObject([
      {
        outcome: 'timed_out',
        counts: { parts: 3, completed: 1, failed: 1, missing: 2 },
        result: { a1: 7 },
        failed: [{ agent_id: 'a2', outcome: 'failed', error: 'no' }],
        missing: ['a3', 'gone'],
      },
    ]);
    expect(world.cancelled()).toEqual(['group-g-0003']);
  });

  test.each([
    [2, 'completed'],
    [3, 'failed'],
    [undefined, 'failed'],
  ])('of three agents, one of which fails, that needs %s ends as %s', async (min_success, outcome) => {
    const world = groupWorld({ deed: deeds({ 2: failed }) });
    await world.join(['a1', 'a2', 'a3']);
    await world.start('broadcast', { requirements: { min_success } });
    await world.pass(1000);
    expect(world.ends()).toMatchObject([{ outcome }]);
  });

  test('for nobody is unassigned', async () => {
    const world = groupWorld();
    await world.start('broadcast', { requirements: { capabilities: ['unheard-of'] } });
    expect(world.ends()).toMatchObject([{ outcome: 'unassigned', error: { code: 'no_agents' } }]);
  });

  test('to a thousand agents is sent in slices, and to more refused with a sentence', async () => {
    const world = groupWorld();
    await world.join(many(1000));
    await world.start('broadcast', { payload: 1 });
    expect(world.asked().length).toBeLessThanOrEqual(250);
    await world.pass(10_000);
    expect(world.ends()).toMatchObject([{ outcome: 'completed', counts: { completed: 1000 } }]);
    await world.join(many(1, 'z'));
    await world.start('broadcast', {}, 'h');
    await world.pass(10_000);
    const message = 'task h is for more than 1000 agents: send it by zone, or name its participants';
    expect(world.ends('h')).toMatchObject([{ outcome: 'failed', error: { code: 'too_many', message } }]);
  });
});

describe('parallel', () => {
  test('does its parts at the same time and joins their results in order', async () => {
    const world = groupWorld({ deed: (task) => ok(`done ${task.payload}`, 100 - 10 * numberOf(task)) });
    await world.start('parallel', { parts: partsOf(5) });
    await world.pass(1000);
    expect(world.ends()).toMatchObject([{ outcome: 'completed', result: [0, 1, 2, 3, 4].map((n) => `done ${n}`) }]);
  });

  test('has max_parallel parts under way at most', async () => {
    const world = groupWorld();
    await world.start('parallel', { parts: partsOf(7), max_parallel: 3 });
    const counts = [];
    for (let n = 0; n < 3; n++) {
      counts.push(world.asked().length);
      await world.pass(11);
    }
    expect(counts).toEqual([3, 6, 7]);
  });

  test('gives each part its own requirements over those of all', async () => {
    const world = groupWorld();
    const own = { requirements: { zone: 'eu', timeout_ms: 500 }, participants: ['a1'] };
    await world.start('parallel', {
      parts: [{ payload: 1, ...own }, { payload: 2 }],
      requirements: { zone: 'us', max_attempts: 2, timeout_ms: 9000 },
    });
    const deadline = '2026-01-01T00:00:09.000Z';
    expect(world.asked().map(({ requirements, participants }) => [requirements, participants])).toEqual([
      [{ zone: 'eu', max_attempts: 2, timeout_ms: 500, deadline }, ['a1']],
      [{ zone: 'us', max_attempts: 2, timeout_ms: 9000, deadline }, undefined],
    ]);
  });

  test('that fails fast calls the rest off at the first part that fails', async () => {
    const world = groupWorld({ deed: deeds({ 1: hangs, 2: failed }) });
    await world.start('parallel', { parts: partsOf(4), max_parallel: 2 });
    await world.pass(1000);
    expect(world.ends()).toMatchObject([
      { outcome: 'failed', result: [null, null, null, null], failed: [{ part: 2, error: 'no' }], missing: [1, 3, 4] },
    ]);
    expect([world.cancelled(), world.tasks.get('group-g-0001')?.ended]).toEqual([['group-g-0001'], 'cancelled']);
  });

  test('that collects does all of them', async () => {
    const world = groupWorld({ deed: deeds({ 2: failed }) });
    await world.start('parallel', { parts: partsOf(4), on_failure: 'collect', requirements: { min_success: 3 } });
    await world.pass(1000);
    expect(world.ends()).toMatchObject([{ outcome: 'completed', result: [0, null, 2, 3], failed: [{ part: 2 }] }]);
  });

  test('calls off again what was not reached', async () => {
    let calls = 0;
    const world = groupWorld({ deed: () => hangs, cancelling: () => (calls++ < 3 ? [] : [0]) });
    await world.start('parallel', { parts: partsOf(2), requirements: { timeout_ms: 1000 } });
    await world.pass(100_000);
    expect([...world.tasks.values()].map(({ ended }) => ended)).toEqual(['cancelled', 'cancelled']);
    expect([world.ends().length, world.timers.size]).toEqual([1, 0]);
  });

  test('whose answers are too much for a message ends in pages', async () => {
    const world = groupWorld({ deed: ({ payload }) => ok(String(payload).repeat(90_000)) });
    await world.start('parallel', { parts: partsOf(9) });
    await world.pass(1000);
    const [end] = world.ends();
    expect(end).toMatchObject({ outcome: 'completed', pages: 3 });
    expect(end).not.toHaveProperty('result');
    const pages = await Promise.all([0, 1, 2].map((page) => world.ask('page', { task_id: 'g', page })));
    const parts = pages.flatMap(({ parts }) => parts as { part: number; result: string }[]);
    expect(parts.map(({ part, result }) => [part, result.slice(0, 2)])).toEqual(partsOf(9).map(({ payload: n }) => [n + 1, `${n}${n}`]));
    expect(await world.ask('page', { task_id: 'g', page: 3 })).toMatchObject({ code: 'no_such_page' });
  });

  test('of answers that fit a message but not the state reads them for its end', async () => {
    const world = groupWorld({ deed: ({ payload }) => ok(String(payload).repeat(30_000)) });
    await world.start('parallel', { parts: partsOf(3) });
    await world.pass(1000);
    expect(world.ends()).toMatchObject([{ outcome: 'completed', result: [0, 1, 2].map((n) => String(n).repeat(30_000)) }]);
  });

  test('says how far it is, ten times at most', async () => {
    const world = groupWorld({ deed: (task) => ok(1, numberOf(task)) });
    await world.start('parallel', { parts: partsOf(100) });
    await world.pass(1000);
    const told = world.bodies('coordination.tasks.status.g');
    expect(told).toHaveLength(9);
    expect(told[2]).toEqual({
      task_id: 'g',
      agent_id: 'task-coordinator',
      status: 'progress',
      progress: { parts: 100, completed: 30, failed: 0, under_way: 70 },
    });
  });

  test('that is refused a result takes the part for failed', async () => {
    const world = groupWorld({ deed: () => ok('x'.repeat(300_001)) });
    await world.start('parallel', { parts: partsOf(1) });
    await world.pass(1000);
    expect(world.ends()).toMatchObject([{ outcome: 'failed', failed: [{ part: 1, error: { code: 'result_too_large' } }] }]);
  });
});

describe('a pipeline', () => {
  const stages = [{ name: 'read' }, { name: 'think', payload: { hard: true } }, { name: 'write' }];

  test('gives each stage the result of the one before, and ends with the last one', async () => {
    const world = groupWorld({ deed: (task) => ok(`r${numberOf(task)}`) });
    await world.start('pipeline', { stages, payload: 'in' });
    await world.pass(1000);
    expect(payloads(world.asked())).toEqual(['in', { payload: { hard: true }, result: 'r1' }, 'r2']);
    expect(world.ends()).toMatchObject([{ outcome: 'completed', result: 'r3', counts: { parts: 3, completed: 3 } }]);
  });

  test('ends with the stage that fails', async () => {
    const world = groupWorld({ deed: deeds({ 2: failed }) });
    await world.start('pipeline', { stages, on_failure: 'collect' });
    await world.pass(1000);
    expect(world.ends()).toMatchObject([{ outcome: 'failed', attempts: 4, failed: [{ stage: 'think', error: 'no' }], missing: ['write'] }]);
    expect(world.asked()).toHaveLength(2);
  });

  test('whose stage runs out of the time of the whole is timed_out', async () => {
    const world = groupWorld({ deed: () => ({ outcome: 'timed_out', ms: 10_000 }) });
    await world.start('pipeline', { stages, requirements: { timeout_ms: 10_000 } });
    await world.pass(20_000);
    expect(world.ends()).toMatchObject([{ outcome: 'timed_out' }]);
  });

  test('gives a stage what is left of its time', async () => {
    const world = groupWorld({ deed: () => ok(1, 3000) });
    await world.start('pipeline', { stages, requirements: { timeout_ms: 10_000 } });
    await world.pass(20_000);
    expect(world.asked().map(({ requirements }) => requirements.timeout_ms)).toEqual([10_000, 7000, 4000]);
  });

  test('hands on a result that is too large for the state', async () => {
    const world = groupWorld({ deed: () => ok('x'.repeat(50_000)) });
    await world.start('pipeline', { stages: [{ name: 'a' }, { name: 'b' }] });
    await world.pass(1000);
    expect([world.asked()[1]?.payload, world.ends()[0]?.result]).toEqual(['x'.repeat(50_000), 'x'.repeat(50_000)]);
  });
});

describe('map_reduce', () => {
  const reducer = (task: Asked): Deed => ok(Array.isArray(task.payload) ? `(${task.payload.join(' ')})` : `m${task.payload}`);
  const splits = (count: number) => Array.from({ length: count }, (_, n) => n);

  test('reduces the results of all maps, in order, when the last is in', async () => {
    const world = groupWorld({ deed: (task) => ({ ...reducer(task), ms: 100 - numberOf(task) }) });
    const needs = { map: { requirements: { capabilities: ['map'] } }, reduce: { requirements: { capabilities: ['reduce'] } } };
    await world.start('map_reduce', { splits: splits(4), ...needs });
    await world.pass(1000);
    expect(world.asked().map(({ requirements }) => requirements.capabilities)).toEqual([...Array(4).fill(['map']), ['reduce']]);
    expect(world.ends()).toMatchObject([{ outcome: 'completed', result: '(m0 m1 m2 m3)', counts: { parts: 5 } }]);
  });

  test('reduces in layers of fan_in', async () => {
    const world = groupWorld({ deed: reducer });
    await world.start('map_reduce', { splits: splits(7), reduce: { fan_in: 3 } });
    await world.pass(1000);
    expect(world.ends()).toMatchObject([{ result: '((m0 m1 m2) (m3 m4 m5) (m6))', counts: { parts: 11 } }]);
  });

  test('of results that are too much for one reduce says so; in layers they are read', async () => {
    const world = groupWorld({ deed: ({ payload }) => ok(Array.isArray(payload) ? payload.length : 'x'.repeat(100_000)) });
    await world.start('map_reduce', { splits: splits(4) });
    await world.start('map_reduce', { splits: splits(4), reduce: { fan_in: 2 } }, 'h');
    await world.pass(1000);
    expect(world.ends()).toMatchObject([{ outcome: 'failed', error: { code: 'input_too_large' } }]);
    expect(world.ends('h')).toMatchObject([{ outcome: 'completed', result: 2 }]);
  });

  test('gives a map that takes much longer than the others a backup; the first result counts, the other is called off', async () => {
    const world = groupWorld({ deed: (task) => (task.task_id === 'group-g-0010' ? hangs : { ...reducer(task), ms: 1000 }) });
    await world.start('map_reduce', { splits: splits(10) });
    await world.pass(1400);
    expect(world.asked()).toHaveLength(10);
    await world.pass(10_000);
    expect(world.asked().at(-2)).toMatchObject({ task_id: 'group-g-0010b', payload: 9 });
    expect(world.cancelled()).toEqual(['group-g-0010']);
    expect(world.ends()).toMatchObject([{ outcome: 'completed', result: '(m0 m1 m2 m3 m4 m5 m6 m7 m8 m9)' }]);
  });

  test('takes the original where that is faster, and waits for it where the backup fails', async () => {
    const slow = (backup: Deed) => (task: Asked) => {
      if (task.task_id.endsWith('b')) return backup;
      return { ...reducer(task), ms: numberOf(task) === 10 ? 4000 : 1000 };
    };
    for (const [backup, calledOff] of [
      [hangs, ['group-g-0010b']],
      [failed, []],
    ] as const) {
      const world = groupWorld({ deed: slow(backup) });
      await world.start('map_reduce', { splits: splits(10) });
      await world.pass(100_000);
      expect([world.ends()[0]?.outcome, world.asked().length, world.cancelled()]).toEqual(['completed', 12, calledOff]);
    }
  });

  test('counts a map once whose two tasks end in one batch', async () => {
    const slow: Record<string, number> = { 'group-g-0010': 4000, 'group-g-0010b': 2499 };
    const world = groupWorld({ deed: (task) => ({ ...reducer(task), ms: slow[task.task_id] ?? 1000 }), cancelling: () => [] });
    await world.start('map_reduce', { splits: splits(10) });
    await world.pass(3999);
    expect(['group-g-0010', 'group-g-0010b'].map((id) => (world.tasks.get(id)?.endsAt ?? 0) - START)).toEqual([4000, 4000]);
    await world.pass(10_000);
    expect(world.ends()).toMatchObject([{ outcome: 'completed', attempts: 11, counts: { parts: 11, completed: 11 } }]);
  });

  test('gives no backups where their share is set to 0', async () => {
    const deed = (task: Asked) => (numberOf(task) === 10 ? hangs : reducer(task));
    const world = groupWorld({ deed, environment: { GROUP_BACKUP_SHARE: '0', GROUP_TIMEOUT_MS: '60000' } });
    await world.start('map_reduce', { splits: splits(10) });
    await world.pass(60_000);
    expect([world.asked().length, world.ends()[0]?.outcome]).toEqual([10, 'timed_out']);
  });

  test('gives backups to a tenth of the maps at most, and none before nine tenths are done', async () => {
    const world = groupWorld({ deed: (task) => (numberOf(task) > 17 && numberOf(task) < 21 ? hangs : reducer(task)) });
    await world.start('map_reduce', { splits: splits(20), requirements: { timeout_ms: 60_000 } });
    await world.pass(30_000);
    expect(world.asked()).toHaveLength(20);
    const few = groupWorld({ deed: (task) => (numberOf(task) > 18 && numberOf(task) < 21 ? hangs : reducer(task)) });
    await few.start('map_reduce', { splits: splits(20), requirements: { timeout_ms: 60_000 } });
    await few.pass(30_000);
    expect(few.asked()).toHaveLength(22);
  });
});

describe('a task for many', () => {
  test('is one however often it comes', async () => {
    const world = groupWorld();
    for (let n = 0; n < 3; n++) await world.start('parallel', { parts: partsOf(2) });
    await world.pass(1000);
    expect([world.bodies('coordination.tasks.assignment').length, world.ends().length]).toEqual([2, 1]);
  });

  test('is not written for what says nothing new', async () => {
    const world = groupWorld({ deed: deeds({ 2: hangs }) });
    await world.start('parallel', { parts: partsOf(2) });
    await world.pass(100);
    const writes = await world.writes();
    await world.start('parallel', { parts: partsOf(2) });
    await world.tell({ task_id: 'group-g-0001', outcome: 'completed', result: 'again' });
    await world.ring();
    expect(await world.writes()).toBe(writes);
  });

  test('that is cancelled while its agents are looked for asks nobody', async () => {
    const world = groupWorld();
    await world.join(many(600));
    await world.start('broadcast', {});
    expect(await world.ask('show')).toMatchObject({ phase: 'resolving' });
    await world.ask('cancel');
    await world.pass(10_000);
    expect([world.asked(), world.ends().map(({ outcome }) => outcome)]).toEqual([[], ['cancelled']]);
  });

  test('is named by two alarms in one batch while its agents are looked for, and asks each of them once', async () => {
    const world = groupWorld();
    await world.join(many(500, 'a'));
    await world.join(['b1', 'b2'], { zone: 'eu' });
    await world.join(many(510, 'c'));
    await world.start('broadcast', { requirements: { zone: 'eu' } });
    await world.ring('g', 2);
    await world.pass(10_000);
    expect(world.asked().map(({ participants }) => participants)).toEqual([['b1'], ['b2']]);
  });

  test('reads past an answer that an interrupted decision left behind', async () => {
    const large = 'x'.repeat(20_000);
    const world = groupWorld({ deed: deeds({ 1: ok(large), 2: ok('small'), 3: ok(large) }) });
    await world.leave('answer/0002', { outcome: 'completed', attempts: 1, result: 'never counted' });
    await world.start('parallel', { parts: partsOf(3) });
    await world.pass(1000);
    expect(world.ends()).toMatchObject([{ outcome: 'completed', result: [large, 'small', large] }]);
  });

  test.each([
    ['its deadline', { requirements: { deadline: '2026-01-01T03:00:00Z' } }, {}],
    ['the budget of who submits it', {}, { 'X-Deadline': ['2026-01-01T03:00:00Z'] }],
    ['the earlier of both', { requirements: { deadline: '2026-01-01T05:00:00Z' } }, { 'X-Deadline': ['2026-01-01T03:00:00Z'] }],
  ])('has until %s, longer than it has unsaid, and so have its parts', async (_, more, headers) => {
    const world = groupWorld({ deed: () => hangs });
    await world.start('parallel', { parts: partsOf(1), ...more }, 'g', headers);
    const deadline = '2026-01-01T03:00:00.000Z';
    expect(await world.ask('show')).toMatchObject({ deadline });
    expect(world.asked()).toMatchObject([{ requirements: { timeout_ms: 3 * 3_600_000, deadline } }]);
  });

  test('leaves a part its own deadline where that is earlier', async () => {
    const world = groupWorld();
    const parts = ['2026-01-01T00:00:10.000Z', '2026-01-02T00:00:00.000Z'].map((deadline) => ({ requirements: { deadline } }));
    await world.start('parallel', { parts });
    expect(world.asked().map(({ requirements }) => requirements.deadline)).toEqual([
      '2026-01-01T00:00:10.000Z',
      '2026-01-01T01:00:00.000Z',
    ]);
  });

  test('keeps the beginning of a long reason to cancel it', async () => {
    const world = groupWorld({ deed: () => hangs });
    await world.start('parallel', { parts: partsOf(2) });
    await world.ask('cancel', { task_id: 'g', reason: 'x'.repeat(500_000) });
    expect(world.ends()).toMatchObject([{ outcome: 'cancelled', error: { message: `${'x'.repeat(1000)}…` } }]);
  });

  test('is cancelled once, and its parts with it', async () => {
    const world = groupWorld({ deed: () => hangs });
    await world.start('parallel', { parts: partsOf(3), max_parallel: 2 });
    await world.pass(100);
    expect(await world.ask('cancel', { task_id: 'g', reason: 'not wanted' })).toEqual({ task_id: 'g', outcome: 'cancelled' });
    expect(await world.ask('cancel')).toMatchObject({ code: 'already_ended' });
    expect(await world.ask('cancel', { task_id: 'h' })).toMatchObject({ code: 'not_found' });
    await world.pass(100_000);
    expect(world.ends()).toMatchObject([{ outcome: 'cancelled', error: { message: 'not wanted' }, missing: [1, 2, 3] }]);
    expect(world.cancelled()).toEqual(['group-g-0001', 'group-g-0002']);
  });

  test('is shown and listed', async () => {
    const world = groupWorld({ deed: deeds({ 2: hangs }) });
    await world.start('parallel', { parts: partsOf(2) });
    await world.pass(100);
    const progress = { parts: 2, completed: 1, failed: 0, under_way: 1 };
    expect(await world.ask('show')).toMatchObject({ task_id: 'g', phase: 'running', progress });
    expect(await world.ask('page')).toMatchObject({ pages: 1, parts: [{ part: 1, outcome: 'completed', result: 0 }, { part: 2 }] });
    expect(await world.ask('list', {})).toMatchObject({ groups: [{ task_id: 'g' }] });
    expect(await world.ask('list', { outcome: 'failed' })).toEqual({ groups: [] });
    expect(await world.ask('show', { task_id: 'h' })).toMatchObject({ code: 'not_found' });
  });

  test('looks at its tasks when it hears nothing: asks again for what is not known, and takes an end that was not heard', async () => {
    let reached = 0;
    const world = groupWorld({ deed: deeds({ 1: failed }), reaching: () => (reached++ === 1 ? [] : [0]), telling: () => [] });
    await world.start('parallel', { parts: partsOf(3), on_failure: 'collect' });
    await world.pass(200_000);
    expect(world.tasks.size).toBe(3);
    expect(world.ends()).toMatchObject([
      {
        outcome: 'failed',
        failed: [
          { part: 1, outcome: 'failed', error: { code: 'failed' } },
          { part: 2, error: { code: 'result_lost' } },
          { part: 3, error: { code: 'result_lost' } },
        ],
      },
    ]);
  });

  test('of many parts looks at all their tasks, a hundred at a time', async () => {
    const world = groupWorld({ telling: () => [] });
    await world.start('parallel', { parts: partsOf(150), on_failure: 'collect' });
    await world.pass(45_000);
    expect(world.ends()).toMatchObject([{ counts: { parts: 150, failed: 150 } }]);
  });

  test('whose alarm is late waits for what was not heard meanwhile: it says more than the table', async () => {
    const world = groupWorld({ telling: () => [1000] });
    await world.start('parallel', { parts: partsOf(2), requirements: { timeout_ms: 5000 } });
    await world.pass(100);
    await world.outage(60_000);
    await world.pass(100_000);
    expect(world.ends()).toMatchObject([{ outcome: 'completed', result: [0, 1] }]);
  });

  test.each([
    ['parallel', {}, 'task g is parallel and has no parts: say there what its parts are'],
    ['pipeline', { parts: partsOf(1) }, 'task g is pipeline and has no stages: say there what its parts are'],
    [
      'map_reduce',
      { splits: [1], stages: [{ name: 'a' }] },
      'task g is map_reduce and has stages, which is not for that type: leave it out, or change the type',
    ],
    ['parallel', { parts: partsOf(1), payload: 1 }, 'task g is parallel and has a payload: give each of its parts its own'],
    ['parallel', { parts: [] }, 'parts: must have at least 1 elements, not []'],
    [
      'parallel',
      { coordination_type: 'pipeline', parts: partsOf(1) },
      'coordination_type: is "pipeline" in the body and "parallel" in the subject: make them the same',
    ],
    [
      'parallel',
      { parts: partsOf(2), requirements: { min_success: 3 } },
      'task g needs 3 of 2 parts to succeed: ask for fewer in min_success',
    ],
    [
      'parallel',
      { parts: [{ payload: 'x'.repeat(300_000) }] },
      'task g has more than 300000 bytes in part 1: store its payload elsewhere and send a reference',
    ],
    [
      'parallel',
      { parts: partsOf(1), requirements: { policy: undefined, note: 'x'.repeat(20_000) } },
      'task g has requirements of more than 16384 bytes: name fewer',
    ],
  ])('%s with %o is refused with a sentence', async (type, body, sentence) => {
    const world = groupWorld();
    await world.start(type, body);
    expect([world.deadLetters, await world.state()]).toEqual([[sentence], undefined]);
  });

  test('of a long id is refused', async () => {
    const world = groupWorld();
    await world.start('parallel', { parts: partsOf(1) }, 'g'.repeat(101));
    expect(world.deadLetters).toEqual([`task ${'g'.repeat(101)} has an id of 101 characters: a task for many may have 100`]);
  });

  test('takes no end of a task that is none of its parts', async () => {
    const world = groupWorld({ deed: () => hangs });
    await world.start('parallel', { parts: partsOf(1) });
    for (const task_id of ['group-g-0002', 'group-h-0001', 'group-g', 'group-g-0001b']) await world.tell({ task_id, outcome: 'completed' });
    expect(await world.ask('show')).toMatchObject({ progress: { parts: 1, completed: 0, under_way: 1 } });
  });
});
