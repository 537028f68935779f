/** Alerts: grouped, deduplicated, throttled, silenced and resolved. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_SILENCES } from '#functions/alert-manager/silence.ts';
import { alertWorld } from '#test/support/alert-world.ts';
import { START } from '#test/support/decide.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const later = (ms: number) => new Date(START + ms).toISOString();

describe('a group', () => {
  test('is told once, with all that came while it waited', async () => {
    const world = alertWorld();
    await world.alert({ summary: 'disk of node-1 is full', agent_ids: ['a1'] });
    await world.pass(9 * SECOND);
    await world.alert({ summary: 'disk of node-2 is full', agent_ids: ['a2'] });
    await world.pass(5 * SECOND);
    expect(world.told).toEqual([
      {
        at: START + 10 * SECOND,
        notification_id: expect.any(String),
        group_id: expect.stringMatching(/^[0-9a-f]{16}$/),
        group: 'disk of # is full',
        source: 'disks',
        severity: 'high',
        status: 'firing',
        summary: '2 alerts of disks about 2 agents, the last: disk of node-2 is full',
        count: 2,
        agent_ids: ['a1', 'a2'],
        first_seen: later(0),
        last_seen: later(9 * SECOND),
      },
    ]);
  });

  test('that is critical is told at once', async () => {
    const world = alertWorld();
    await world.alert({ severity: 'critical' });
    expect(world.said()).toEqual(['critical: the disk is full']);
  });

  test('that becomes critical is told again at once, as critical', async () => {
    const world = alertWorld();
    await world.alert({ severity: 'low' });
    await world.pass(20 * SECOND);
    await world.alert({ severity: 'critical' });
    expect(world.told.map(({ severity, at }) => [severity, at - START])).toEqual([
      ['low', 10 * SECOND],
      ['critical', 20 * SECOND],
    ]);
  });

  test('counts an alert that comes twice once', async () => {
    const world = alertWorld();
    await world.alert({ alert_id: 'x' }, { alert_id: 'x' }, { alert_id: 'y' });
    await world.alert({ alert_id: 'x' });
    await world.pass(10 * SECOND);
    expect(world.told).toMatchObject([{ count: 2 }]);
  });

  test.each([
    ['one source and one group', { group: 'disks', summary: 'one' }, { group: 'disks', summary: 'other' }, 1],
    ['another source', {}, { source: 'other' }, 2],
    ['another group', { group: 'a' }, { group: 'b' }, 2],
    ['names of agents in the summary', { summary: 'bob is ill', agent_ids: ['bob'] }, { summary: 'eve is ill', agent_ids: ['eve'] }, 1],
  ])('is of %s', async (_, one, other, groups) => {
    const world = alertWorld();
    await world.alert(one, other);
    expect((await world.ask('list')).groups).toHaveLength(groups);
  });

  test('tells an agent that is new after group_interval, and what is known only after repeat_interval', async () => {
    const world = alertWorld({ ALERT_RESOLVE_TIMEOUT_MS: String(9 * HOUR) });
    await world.alert({ agent_ids: ['a1'] });
    await world.pass(MINUTE);
    await world.alert({ agent_ids: ['a1'] }, { agent_ids: ['a2'] });
    await world.pass(MINUTE);
    await world.alert({ agent_ids: ['a1'] });
    await world.pass(5 * HOUR);
    expect(world.told.map(({ at, count }) => [at - START - 10 * SECOND, count])).toEqual([
      [0, 1],
      [5 * MINUTE, 4],
      [5 * MINUTE + 4 * HOUR, 4],
    ]);
  });
});

describe('the end of a group', () => {
  const told = async () => {
    const world = alertWorld();
    await world.alert({});
    await world.pass(MINUTE);
    return world;
  };
  const ends = (world: Awaited<ReturnType<typeof told>>) => world.told.filter(({ status }) => status === 'resolved');

  test('is told when an alert says so, once', async () => {
    const world = await told();
    await world.alert({ status: 'resolved' });
    await world.alert({ status: 'resolved' });
    await world.pass(HOUR);
    expect(world.said()).toEqual(['high: the disk is full', 'high: resolved: the disk is full']);
  });

  test('is told when nothing came for resolve_timeout', async () => {
    const world = await told();
    await world.pass(HOUR);
    expect(ends(world).map(({ at }) => at - START)).toEqual([15 * MINUTE]);
  });

  test('is told when an operator says so', async () => {
    const world = await told();
    const [{ group_id }] = (await world.ask('list')).groups;
    expect(await world.ask('resolve', { group_id })).toMatchObject({ group: { status: 'resolved', group_id } });
    expect(await world.ask('resolve', { group_id })).toEqual({ code: 'not_found', message: `no group ${group_id} of alerts fires` });
    expect(ends(world)).toHaveLength(1);
    expect(await world.ask('list')).toEqual({ groups: [] });
  });

  test('that nobody was told of is not told', async () => {
    const world = alertWorld();
    await world.alert({});
    await world.alert({ status: 'resolved' });
    await world.pass(HOUR);
    expect(world.told).toEqual([]);
  });

  test('is not the end of what fires afterwards', async () => {
    const world = await told();
    await world.alert({ status: 'resolved' });
    await world.pass(SECOND);
    await world.alert({});
    await world.pass(MINUTE);
    expect(world.told.map(({ status, count }) => [status, count])).toEqual([
      ['firing', 1],
      ['resolved', 1],
      ['firing', 1],
    ]);
  });
});

describe('a silence', () => {
  test.each([
    ['its source', { source: 'disks' }],
    ['its group', { group: 'the disk is full' }],
    ['its agent', { agent_id: 'a1' }],
    ['its severity and source', { severity: 'high', source: 'disks' }],
  ])('on %s keeps a group back until it ends', async (_, condition) => {
    const world = alertWorld();
    await world.ask('silence', { ...condition, until: later(5 * MINUTE) });
    await world.alert({ agent_ids: ['a1'] });
    await world.pass(6 * MINUTE);
    expect(world.told.map(({ at }) => at - START)).toEqual([5 * MINUTE]);
  });

  test.each([
    ['another source', { source: 'other' }],
    ['another severity', { source: 'disks', severity: 'low' }],
    ['one of its agents', { agent_id: 'a1' }],
  ])('on %s does not', async (_, condition) => {
    const world = alertWorld();
    await world.ask('silence', { ...condition, until: later(HOUR) });
    await world.alert({ agent_ids: ['a1', 'a2'] });
    await world.pass(MINUTE);
    expect(world.told).toHaveLength(1);
  });

  test('that is lifted lets a group be told within a minute', async () => {
    const world = alertWorld();
    const { silence } = await world.ask('silence', { source: 'disks', until: later(HOUR), by: 'kim' });
    expect(await world.ask('list', { view: 'silences' })).toEqual({ silences: [silence] });
    await world.alert({});
    await world.pass(MINUTE);
    await world.ask('unsilence', { silence_id: silence.silence_id });
    await world.pass(MINUTE);
    expect(world.said()).toEqual(['high: the disk is full']);
  });

  test('keeps the end of a group back, too', async () => {
    const world = alertWorld();
    await world.alert({});
    await world.pass(MINUTE);
    await world.ask('silence', { source: 'disks', until: later(HOUR) });
    await world.alert({ status: 'resolved' });
    await world.pass(2 * HOUR);
    expect(world.told).toMatchObject([{ status: 'firing' }]);
  });

  test('that cannot be is refused with a sentence', async () => {
    const world = alertWorld();
    await world.pass(HOUR);
    const past = { code: 'invalid', message: `until ${later(0)} is over already: give a time to come` };
    expect(await world.ask('silence', { source: 'disks', until: later(0) })).toEqual(past);
    for (let n = 0; n < MAX_SILENCES; n++) await world.ask('silence', { source: `s${n}`, until: later(2 * HOUR) });
    expect(await world.ask('silence', { source: 'x', until: later(2 * HOUR) })).toMatchObject({ code: 'too_many' });
    expect(await world.ask('unsilence', { silence_id: 'none' })).toMatchObject({ code: 'not_found' });
  });
});

describe('a storm', () => {
  const storm = Array.from({ length: 1000 }, (_, n) => ({ group: `disk ${n}`, agent_ids: [`a${n}`] }));

  test('of many groups is a handful of notifications, and the last one tells of all others', async () => {
    const world = alertWorld();
    for (let n = 0; n < storm.length; n += 100) await world.alert(...storm.slice(n, n + 100));
    await world.pass(MINUTE);
    expect(world.told).toHaveLength(6);
    expect(world.told.at(-1)).toMatchObject({
      severity: 'high',
      source: 'alert-manager',
      status: 'firing',
      groups: 995,
      count: 995,
      summary: expect.stringMatching(/^995 more groups with 995 alerts: such as disk \d+, disk \d+, disk \d+; control\.alerts\.list/),
    });
  });

  test('of low alerts does not use up what critical ones may', async () => {
    const world = alertWorld();
    await world.alert(...storm.slice(0, 100).map((one) => ({ ...one, severity: 'low' })));
    await world.pass(11 * SECOND);
    await world.alert({ severity: 'critical' });
    expect(world.told.at(-1)).toMatchObject({ severity: 'critical', summary: 'the disk is full' });
  });

  test('can be listed to its end, by severity too', async () => {
    const world = alertWorld();
    await world.alert(...storm.slice(0, 90), { severity: 'low' });
    const first = await world.ask('list', { limit: 50 });
    const second = await world.ask('list', { limit: 50, after: first.next });
    expect(new Set([...first.groups, ...second.groups].map(({ group_id }) => group_id)).size).toBe(91);
    expect((await world.ask('list', { severity: 'low' })).groups).toMatchObject([{ source: 'disks', count: 1 }]);
  });
});

describe('whatever comes', () => {
  const severity = fc.constantFrom('low', 'high', 'critical');
  const fires = fc.record({ does: fc.constant('fire' as const), group: fc.nat(12), severity });
  const ends = fc.record({ does: fc.constant('end' as const), group: fc.nat(12), severity });
  const waits = fc.record({ does: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 40_000 }) });
  const perMinute = 3;

  /** Of one severity within any minute, at most. */
  const busiest = (told: { severity: string; at: number }[]) =>
    Math.max(0, ...told.map((one) => told.filter((t) => t.severity === one.severity && t.at >= one.at && t.at < one.at + MINUTE).length));

  test('no severity has more notifications in a minute than it may, and every group that fires on is told', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(fires, ends, waits), { maxLength: 60 }), async (steps) => {
        const world = alertWorld({ ALERT_NOTIFICATIONS_PER_MINUTE: String(perMinute) });
        for (const step of steps) {
          if (step.does === 'wait') await world.pass(step.ms);
          else
            await world.alert({
              group: `g${step.group}`,
              severity: step.severity,
              ...(step.does === 'end' && { status: 'resolved' }),
            });
        }
        await world.pass(2 * MINUTE);
        expect(busiest(world.told)).toBeLessThanOrEqual(perMinute);
        const { groups } = await world.ask('list');
        expect(groups.filter((group: { told_at?: string }) => group.told_at === undefined)).toEqual([]);
      }),
      { numRuns: 60 },
    ));

  test('each group is told once while it brings no news, by itself or in a digest', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.record({ groups: fc.nat(15), ms: fc.nat(30_000) }), { maxLength: 15 }), async (steps) => {
        const world = alertWorld({ ALERT_NOTIFICATIONS_PER_MINUTE: String(perMinute) });
        let raised = 0;
        for (const { groups, ms } of steps) {
          await world.alert(...Array.from({ length: groups }, () => ({ group: `g${raised++}` })));
          await world.pass(ms);
        }
        await world.pass(2 * MINUTE);
        const told = world.told.filter(({ status }) => status === 'firing');
        expect(told.reduce((sum, { groups = 1 }) => sum + groups, 0)).toBe(raised);
        expect(told.reduce((sum, { count = 0 }) => sum + count, 0)).toBe(raised);
      }),
      { numRuns: 60 },
    ));

  test('what was told fires and is resolved in turn, by itself or in a digest', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(fires, ends, waits), { maxLength: 40 }), async (steps) => {
        const world = alertWorld({ ALERT_NOTIFICATIONS_PER_MINUTE: '100' });
        for (const step of steps) {
          if (step.does === 'wait') await world.pass(step.ms);
          else
            await world.alert({
              group: `g${step.group % 3}`,
              severity: step.severity,
              ...(step.does === 'end' && { status: 'resolved' }),
            });
        }
        await world.pass(HOUR);
        for (const told of Map.groupBy(world.told, ({ group_id }) => group_id).values()) {
          const statuses = told.map(({ status }) => status);
          expect(statuses.filter((status, n) => status === 'resolved' && statuses[n - 1] !== 'firing')).toEqual([]);
          expect(statuses.at(-1)).toBe('resolved');
        }
      }),
      { numRuns: 60 },
    ));
});
