import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { agentMetrics, componentMetrics } from '#functions/metrics-collector/decide.ts';
import { linesOf } from '#functions/metrics-collector/emf.ts';
import { GRACE_MS, MAX_METRICS, NOTHING_MEASURED, take } from '#functions/metrics-collector/evolve.ts';
import { query, type View } from '#functions/metrics-collector/queries.ts';
import { settings } from '#functions/metrics-collector/settings.ts';
import { MAX_ITEM_BYTES } from '#shared/entity/store.ts';
import { controlMetricsQuery } from '#shared/messages/control-supervision.ts';
import { agentHeartbeat } from '#shared/messages/lifecycle.ts';
import { agentMetric, systemMetric } from '#shared/messages/metrics.ts';
import { health } from '#shared/messages/supervision.ts';
import { childName, floorTo, type Measured } from '#shared/metrics/measured.ts';
import { type Bucket, bucketSchema, mergeRollups, rollupOf } from '#shared/metrics/rollup.ts';
import { drive, received, START } from '#test/support/decide.ts';

const MINUTE = 60_000;
const HOUR = 3_600_000;

const sample = (ms: number, value: number, { metric = 'response_time_ms', measured = ms } = {}) =>
  received(agentMetric, { agent_id: 'a1', metric }, { value, timestamp: new Date(START + measured).toISOString() }, { sentAt: START + ms });

const agent = () => {
  const story = drive(agentMetrics, settings.parse({}));
  const closed = (resolution: string): Bucket[] =>
    [...story.children('a1')].filter(([name]) => name.startsWith(`${resolution}/`)).flatMap(([, data]) => bucketSchema.array().parse(data));
  /** Count of samples by the beginning of their bucket, ms since START. */
  const counts = (resolution: string) => closed(resolution).map(({ start, rollups }) => [start - START, rollups.response_time_ms?.count]);
  return { ...story, closed, counts };
};

describe('metrics are rolled up', () => {
  test('by 10 s, by the minute and by the hour, and nothing stays open', () => {
    const story = agent();
    for (const ms of [0, 9_999, 10_000, 61_000]) story.tell(sample(ms, ms));
    story.until(START + 2 * HOUR);
    expect([story.counts('10s'), story.counts('1m'), story.counts('1h')]).toEqual([
      [
        [0, 2],
        [10_000, 1],
        [60_000, 1],
      ],
      [
        [0, 3],
        [60_000, 1],
      ],
      [[0, 4]],
    ]);
    expect(story.state('a1')).toMatchObject({ open: [], hour: null });
  });

  test('with count, sum, smallest, largest and sketch', () => {
    const story = agent();
    for (const value of [3, 1, 2]) story.tell(sample(value, value));
    story.until(START + 2 * MINUTE);
    expect(story.closed('1m')[0]?.rollups.response_time_ms).toMatchObject({ count: 3, sum: 6, min: 1, max: 3, sketch: { positive: {} } });
  });

  test.each([
    ['10s', 3 * HOUR + MINUTE],
    ['1m', 72 * HOUR + MINUTE],
    ['1h', 90 * 24 * HOUR + HOUR],
  ])('and buckets of %s expire', (resolution, after) => {
    const story = agent();
    story.tell(sample(0, 1));
    const decision = [story.tell(sample(2 * HOUR, 1))].flatMap((one) => (one.outcome === 'done' ? (one.children ?? []) : []));
    expect(decision.find(({ name }) => name.startsWith(resolution))?.expiresAt).toBe(START + after);
  });

  test('and the last of an agent that went silent are closed by an alarm', () => {
    const story = agent();
    story.tell(sample(0, 1));
    story.until(START + 2 * MINUTE);
    expect([story.counts('1m'), story.wakeAt('a1')]).toEqual([[[0, 1]], START + HOUR + 35_000]);
  });
});

describe('a sample that is late', () => {
  test('goes to its 10 s while its minute is open', () => {
    const story = agent();
    story.tell(sample(0, 1));
    story.tell(sample(MINUTE + GRACE_MS - 1, 2, { measured: 5 }));
    story.until(START + 2 * HOUR);
    expect(story.counts('10s')).toEqual([[0, 2]]);
  });

  test('goes to its hour when its minute is closed', () => {
    const story = agent();
    story.tell(sample(0, 1));
    story.tell(sample(MINUTE + GRACE_MS, 2, { measured: 5 }));
    story.until(START + 2 * HOUR);
    expect([story.counts('10s'), story.counts('1h')]).toEqual([[[0, 1]], [[0, 2]]]);
  });

  test('is counted as late when its hour is closed, too', () => {
    const story = agent();
    story.tell(sample(HOUR + GRACE_MS, 2, { measured: 5 }));
    expect(story.state('a1')).toMatchObject({ late: 1, open: [], hour: null });
  });

  test('is of the time at which it was heard when it claims to be of the future', () => {
    const story = agent();
    story.tell(sample(0, 1, { measured: HOUR }));
    expect(story.state('a1')?.open).toMatchObject([{ start: START }]);
  });
});

const heard = fc.record({ gap: fc.nat(40_000), age: fc.oneof(fc.constant(0), fc.nat(2 * HOUR)), value: fc.integer({ min: -50, max: 50 }) });

/** Where every sample belongs, told with a list of all: the name of its child and the 10 s in it, or late. */
const placeOf = (at: number, now: number): string => {
  const isOpen = (size: number) => floorTo(at, size) + size + GRACE_MS > now;
  if (isOpen(MINUTE)) return childName('10s', floorTo(at, 10_000));
  return isOpen(HOUR) ? 'hour' : 'late';
};

test('no sample is lost or counted twice, whatever comes when', () => {
  fc.assert(
    fc.property(fc.array(heard, { minLength: 1, maxLength: 80 }), (samples) => {
      const story = agent();
      const places: string[] = [];
      let ms = 0;
      for (const { gap, age, value } of samples) {
        ms += gap;
        places.push(placeOf(START + ms - age, START + ms));
        story.tell(sample(ms, value, { measured: ms - age }));
      }
      story.until(START + ms + 3 * HOUR);
      const taken = (resolution: string) => story.counts(resolution).reduce((sum, [, count]) => sum + (count ?? 0), 0);
      const expected = (place: string) => places.filter((one) => one.startsWith(place)).length;
      expect(story.counts('10s').map(([start, count]) => [childName('10s', START + (start ?? 0)), count])).toEqual(
        [...new Set(places)]
          .filter((place) => place.startsWith('10s/'))
          .sort()
          .map((place) => [place, expected(place)]),
      );
      expect([taken('1m'), taken('1h'), story.state('a1')?.late]).toEqual([
        expected('10s/'),
        samples.length - expected('late'),
        expected('late'),
      ]);
    }),
  );
});

describe('what an agent can cost is bounded', () => {
  test('a metric beyond the fortieth is refused and counted, until others have ceased', () => {
    const story = agent();
    for (let n = 0; n < MAX_METRICS + 5; n++) story.tell(sample(n, 1, { metric: `m${n}` }));
    expect([Object.keys(story.state('a1')?.open[0]?.rollups ?? {}).length, story.state('a1')?.refused]).toEqual([MAX_METRICS, 5]);
    story.tell(sample(2 * HOUR, 1, { metric: 'new' }));
    expect(story.state('a1')?.open).toMatchObject([{ rollups: { new: { count: 1 } } }]);
  });

  test('and fits an item when every metric is at its worst', () => {
    let state: Measured = { ...NOTHING_MEASURED, heard: START + 2 * MINUTE + GRACE_MS - 1 };
    for (let ms = 50_000; ms < 2 * MINUTE + GRACE_MS; ms += 10_000)
      for (let bin = 0; bin < 130; bin++)
        for (let n = 0; n < MAX_METRICS; n++)
          state = take(state, { metric: `some_metric_with_a_name_${n}`, value: 1.0409 ** bin, at: START + ms });
    expect([state.open.length, state.hour?.start, state.refused]).toEqual([8, START, 0]);
    // Counts have one digit here; there is room for three more.
    expect(JSON.stringify(state).length).toBeLessThan(MAX_ITEM_BYTES / 2);
  });

  test('a number of no reasonable size is refused', () => {
    const story = agent();
    story.tell(sample(0, 1e200));
    expect(story.state('a1')).toMatchObject({ refused: 1, open: [] });
  });

  test.each(['constructor', 'hasOwnProperty', 'toString'])('a metric may not be named %s', (metric) => {
    const story = agent();
    story.tell(sample(0, 1, { metric }));
    expect(story.writes()).toBe(0);
  });
});

const HEALTH = { agent_id: 'a1', status: { state: 'healthy' }, metrics: { cpu_usage: 0.5, error_rate: 0.1 } };

describe('the load figures', () => {
  test('come from metrics, heartbeats and health events', () => {
    const story = agent();
    story.tell(sample(0, 120));
    story.tell(
      received(agentHeartbeat, { agent_id: 'a1' }, { agent_id: 'a1', current_load: 0.25, metrics: { memory_usage: 0.7, note: 'x' } }),
    );
    story.tell(received(health, { agent_id: 'a1' }, HEALTH));
    expect(story.state('a1')?.latest).toEqual({
      responseTimeMs: { value: 120, at: START },
      load: { value: 0.25, at: START },
      memory: { value: 0.7, at: START },
      cpu: { value: 0.5, at: START },
      errorRate: { value: 0.1, at: START },
    });
  });

  test('follow what is measured, two thirds of the way in half a minute, and ignore what is older', () => {
    const story = agent();
    story.tell(sample(0, 100));
    story.tell(sample(30_000, 200));
    story.tell(sample(30_001, 900, { measured: 10 }));
    expect(story.state('a1')?.latest.responseTimeMs).toEqual({ value: expect.closeTo(163.2, 1), at: START + 30_000 });
  });

  test('do not count what a function repeats of a health event', () => {
    const story = agent();
    story.tell(received(health, { agent_id: 'a1' }, HEALTH, { headers: { 'X-Published-By': ['health-monitor'] } }));
    expect(story.writes()).toBe(0);
  });
});

test('a component may be named as an agent is', () => {
  const story = drive(componentMetrics, settings.parse({}));
  story.tell(received(systemMetric, { component: 'a1', metric: 'queue_depth' }, { value: 7 }));
  expect([story.stateOf('component-metrics#a1'), story.stateOf('agent-metrics#a1')]).toMatchObject([{ open: [{}] }, undefined as never]);
});

describe('control.metrics.query', () => {
  const ask = (view: View, body: object, ms = 0) =>
    query.answer(view, received(controlMetricsQuery, {}, { agent_id: 'a1', metric: 'load', ...body }, { sentAt: START + ms }), START + ms);
  const bucket = (ms: number, ...values: number[]): Bucket => ({
    start: START + ms,
    rollups: { load: values.map(rollupOf).reduce(mergeRollups) },
  });
  const viewOf = (open: Bucket[], closed: Bucket[] = [], hour: Bucket | null = null): View => ({
    measured: { heard: START, open, hour, latest: {}, late: 0, refused: 0 },
    closed,
  });
  const at = (ms: number) => new Date(START + ms).toISOString();

  test('answers closed and open buckets by time', () => {
    expect(ask(viewOf([bucket(70_000, 1)], [bucket(0, 3)]), { resolution: '10s' }, 80_000)).toMatchObject({
      body: {
        agent_id: 'a1',
        metric: 'load',
        resolution: '10s',
        points: [
          { at: at(0), mean: 3 },
          { at: at(70_000), count: 1, p99: 1 },
        ],
      },
    });
  });

  test('adds what is open to its minute and hour, and counts nothing twice that was closed while it read', () => {
    const open = [bucket(MINUTE, 5), bucket(MINUTE + 10_000, 6)];
    expect(ask(viewOf(open, [bucket(MINUTE, 5)]), { resolution: '1m' }, 2 * MINUTE)).toMatchObject({
      body: { points: [{ at: at(MINUTE), count: 2, sum: 11, max: 6 }] },
    });
    expect(ask(viewOf(open, [], bucket(0, 1)), { resolution: '1h' }, 2 * MINUTE)).toMatchObject({
      body: { points: [{ at: at(0), count: 3, sum: 12, min: 1 }] },
    });
  });

  test.each([
    [{}, '10s'],
    [{ from: at(-2 * HOUR) }, '10s'],
    [{ from: at(-12 * HOUR) }, '1m'],
    [{ from: at(-3 * 24 * HOUR) }, '1h'],
  ])('of %o answers the finest resolution that is kept that long: %s', (range, resolution) => {
    expect(ask(viewOf([bucket(0, 1)]), range)).toMatchObject({ body: { resolution } });
  });

  test.each([
    ['an unknown agent', { measured: undefined, closed: [] }, {}, 'nothing was measured of agent a1: publish metrics.agent.a1.<metric>'],
    ['an unknown metric', viewOf([bucket(0, 1)]), { metric: 'lod' }, 'agent a1 has no metric lod'],
    ['a range backwards', viewOf([]), { from: at(1), to: at(0) }, 'is after to'],
    [
      'too many points',
      viewOf([]),
      { from: at(-24 * HOUR), resolution: '10s' },
      'that would be 8640 points of 10s, an answer has at most 720',
    ],
  ])('refuses %s with a sentence', (_, view, body, sentence) => {
    expect(ask(view, body)).toMatchObject({ error: { message: expect.stringContaining(sentence) } });
  });
});

describe('CloudWatch', () => {
  const minute = (key: 'agent-metrics' | 'component-metrics', id: string, rollups: Bucket['rollups']) => ({
    key: `${key}#${id}` as const,
    name: childName('1m', START),
    data: [{ start: START, rollups }],
  });
  const lines = (detail: 'off' | 'fleet' | 'agents', ...minutes: Parameters<typeof linesOf>[0]) =>
    linesOf(minutes, { settings: { detail, names: ['load'] }, service: 'ms-dev', write: () => undefined }).map((line) => JSON.parse(line));
  const ofAgents = ['a1', 'a2'].map((id) => minute('agent-metrics', id, { load: rollupOf(2), secret: rollupOf(1) }));

  test('gets the named metrics of all agents together, with their values and how often each came', () => {
    expect(lines('fleet', ...ofAgents)).toEqual([
      {
        _aws: {
          Timestamp: START,
          CloudWatchMetrics: [{ Namespace: 'MisterSmith/Fleet', Dimensions: [['service']], Metrics: [{ Name: 'load' }] }],
        },
        service: 'ms-dev',
        load: { Values: [expect.closeTo(2, 1)], Counts: [2], Count: 2, Sum: 4, Min: 2, Max: 2 },
      },
    ]);
  });

  test('gets each agent by itself only where a setting says so, and components always, but when it is off', () => {
    const all = [...ofAgents, minute('component-metrics', 'bridge', { depth: rollupOf(1) })];
    const dimensions = (detail: Parameters<typeof lines>[0]) =>
      lines(detail, ...all).map(({ agent_id, component }) => agent_id ?? component);
    expect([dimensions('off'), dimensions('fleet'), dimensions('agents')]).toEqual([
      [],
      [undefined, 'bridge'],
      [undefined, 'a1', 'a2', 'bridge'],
    ]);
  });

  test('gets at most a hundred values, and all of them counted', () => {
    const rollup = { ...rollupOf(1), sketch: { positive: { first: 0, counts: new Array(128).fill(1) } } };
    const [line] = lines('fleet', minute('agent-metrics', 'a1', { load: rollup }));
    expect([line.load.Values.length, line.load.Counts.reduce((sum: number, count: number) => sum + count, 0)]).toEqual([100, 128]);
  });
});
