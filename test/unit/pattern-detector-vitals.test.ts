/** The two patterns in an agent's own metrics: performance_degradation and resource_exhaustion. */
import { describe, expect, test } from 'vitest';
import { list } from '#functions/pattern-detector/queries.ts';
import { settings } from '#functions/pattern-detector/settings.ts';
import { watches } from '#functions/pattern-detector/watch.ts';
import { controlPatternsList } from '#shared/messages/control-supervision.ts';
import { health } from '#shared/messages/supervision.ts';
import { drive, received, START } from '#test/support/decide.ts';
import { randomOf } from '#test/support/noise.ts';

const EVERY = 10_000;
type Metrics = Record<string, number>;
type Random = ReturnType<typeof randomOf>;

const story = () => drive(watches, settings.parse({}));

const beat = (metrics: Metrics | undefined, after: number) =>
  received(
    health,
    { agent_id: 'a1' },
    { agent_id: 'a1', status: { state: 'healthy' }, ...(metrics && { metrics }) },
    { sentAt: START + after },
  );

/** A sample every ten seconds; what was told, by the sample that it was told at. */
const watched = (samples: number, metricsOf: (n: number, random: Random) => Metrics, seed = 1) => {
  const on = story();
  const random = randomOf(seed);
  const told: { n: number; body: Record<string, unknown> }[] = [];
  for (let n = 0; n < samples; n++) {
    const before = on.bodies('supervision.events').length;
    on.tell(beat(metricsOf(n, random), n * EVERY));
    told.push(
      ...on
        .bodies('supervision.events')
        .slice(before)
        .map((body) => ({ n, body })),
    );
  }
  return { on, told, phases: told.map(({ body }) => `${body.pattern_type} ${body.phase}`) };
};

const FROM = 60;
const usual = (random: Random): Metrics => ({
  response_time_ms: 100 + 10 * random.normal(),
  error_rate: Math.max(0, 0.01 + 0.005 * random.normal()),
  throughput: 50 + 4 * random.normal(),
  cpu_usage: 0.4 + 0.04 * random.normal(),
  memory_usage: 0.5 + 0.02 * random.normal(),
});
const worse: Record<string, (n: number, random: Random) => Metrics> = {
  'a response time that jumps': (n, random) => ({ ...usual(random), ...(n >= FROM && { response_time_ms: 180 + 10 * random.normal() }) }),
  'a response time that creeps up': (n, random) => ({
    ...usual(random),
    response_time_ms: 100 + Math.max(0, n - FROM) * 1.5 + 10 * random.normal(),
  }),
  'an error rate that rises': (n, random) => ({ ...usual(random), ...(n >= FROM && { error_rate: 0.08 + 0.01 * random.normal() }) }),
  'a throughput that falls': (n, random) => ({ ...usual(random), ...(n >= FROM && { throughput: 30 + 4 * random.normal() }) }),
};
const SEEDS = [1, 2, 3, 4, 5];

describe('performance_degradation', () => {
  test.each(Object.entries(worse))('is %s, found within 50 samples of it in five runs of five', (_, metricsOf) => {
    const first = SEEDS.map((seed) => watched(FROM + 50, metricsOf, seed).told[0]);
    expect(first.map((one) => one?.body.pattern_type)).toEqual(SEEDS.map(() => 'performance_degradation'));
    expect(Math.min(...first.map((one) => one?.n ?? 0))).toBeGreaterThanOrEqual(FROM);
  });

  test('says what was usual, what it is now and how sure that is', () => {
    const { told } = watched(FROM + 30, worse['a response time that jumps'] as never);
    expect(told[0]?.body).toMatchObject({
      phase: 'detected',
      affected_agents: ['a1'],
      confidence: expect.closeTo(0.99, 1),
      summary: expect.stringMatching(/^response_time_ms of agent a1 is 1\d\d where \d+ is usual$/),
      evidence: { metric: 'response_time_ms', change: expect.any(Number), trend_per_hour: expect.any(Number) },
      recommended_action: { action: 'alert' },
    });
  });

  test('is not what comes by chance: at most one in ten runs of 150 samples, heavy tails included', () => {
    const heavy = (random: Random): Metrics => ({
      response_time_ms: 100 * Math.exp(0.4 * random.normal()),
      throughput: 50 + 10 * random.normal(),
    });
    const runs = SEEDS.flatMap((seed) => [
      watched(150, (_, random) => usual(random), seed),
      watched(150, (_, random) => heavy(random), seed),
    ]);
    expect(runs.filter(({ phases }) => phases.includes('performance_degradation detected')).length).toBeLessThanOrEqual(1);
  });

  test('is not a single outlier, however high', () => {
    const { phases } = watched(120, (n, random) => ({ ...usual(random), ...(n === 80 && { response_time_ms: 60_000 }) }));
    expect(phases).toEqual([]);
  });

  test('is not an improvement', () => {
    const { phases } = watched(120, (n, random) => ({ ...usual(random), ...(n > 60 && { response_time_ms: 20, throughput: 500 }) }));
    expect(phases).toEqual([]);
  });

  test('is over when the metric is back', () => {
    const { phases } = watched(140, (n, random) => ({ ...usual(random), ...(n >= FROM && n < 100 && { response_time_ms: 200 }) }));
    expect([phases[0], phases.at(-1)]).toEqual(['performance_degradation detected', 'performance_degradation closed']);
  });
});

describe('resource_exhaustion', () => {
  const leak = (n: number, random: Random): Metrics => ({
    ...usual(random),
    memory_usage: Math.min(1, 0.3 + 0.004 * n + 0.005 * random.normal()),
  });

  test('says when memory is all used, within a fifth of what is left', () => {
    const { told } = watched(100, leak);
    const { n, body } = told[0] as (typeof told)[number];
    const truth = START + (0.7 / 0.004) * EVERY;
    const left = truth - (START + n * EVERY);
    expect(body).toMatchObject({ pattern_type: 'resource_exhaustion', phase: 'detected', evidence: { resource: 'memory_usage' } });
    expect(Math.abs(Date.parse(body.exhausted_at as string) - truth)).toBeLessThan(0.2 * left);
    expect(body.recommended_action).toMatchObject({ action: 'recover', agents: ['a1'] });
  });

  test('is found in five leaks of five before they have used it all', () => {
    const first = SEEDS.map((seed) => watched(140, leak, seed).told[0]);
    expect(first.map((one) => one?.body.pattern_type)).toEqual(SEEDS.map(() => 'resource_exhaustion'));
  });

  test('is not noise, nor a rise that is far from the limit', () => {
    const slow = (n: number, random: Random): Metrics => ({
      memory_usage: 0.2 + 0.0005 * n + 0.002 * random.normal(),
      cpu_usage: random(),
    });
    const found = SEEDS.filter((seed) => watched(150, slow, seed).phases.length > 0);
    expect(found.length).toBeLessThanOrEqual(1);
  });

  test('is over when a restart has freed the memory', () => {
    const { phases } = watched(150, (n, random) => leak(n < 110 ? n : 0, random));
    expect(phases.at(-1)).toBe('resource_exhaustion closed');
  });

  test('is said of CPU as well, and not of what is given in bytes', () => {
    const cpu = watched(100, (n) => ({ cpu_usage: 0.3 + 0.005 * n, memory_usage: 5e8 + 1e6 * n }));
    expect(cpu.told[0]?.body).toMatchObject({ evidence: { resource: 'cpu_usage' } });
  });
});

describe('what it costs', () => {
  test('is one write a sample; what comes more often, or without metrics, costs none', () => {
    const on = story();
    for (const after of [0, 1000, 4999, 5000]) on.tell(beat({ cpu_usage: 0.5 }, after));
    on.tell(beat(undefined, 60_000));
    expect([on.writes(), on.state('a1')?.samples.length]).toEqual([2, 2]);
  });

  test('is an item of at most 6 KB, however long it lasts', () => {
    const { on } = watched(300, (_, random) => usual(random));
    expect(JSON.stringify(on.state('a1')).length).toBeLessThan(6000);
  });
});

test('an episode of an agent that says nothing any more is closed', () => {
  const { on } = watched(FROM + 30, worse['an error rate that rises'] as never);
  on.until(START + 3_600_000);
  expect(on.bodies('supervision.events').at(-1)).toMatchObject({ phase: 'closed' });
  expect([on.state('a1')?.episodes, on.wakeAt('a1')]).toEqual([[], null]);
});

test('operators see the open episodes, of a pattern where they name one', () => {
  const { on } = watched(FROM + 30, worse['a throughput that falls'] as never);
  const page = { episodes: on.state('a1')?.episodes ?? [], next: 'a1' };
  const asked = (pattern_type?: string) =>
    list.answer(page, received(controlPatternsList, {}, { ...(pattern_type && { pattern_type }) }), START);
  expect(asked()).toMatchObject({ body: { episodes: [{ pattern_type: 'performance_degradation', affected_agents: ['a1'] }], next: 'a1' } });
  expect(asked('failure_spike')).toEqual({ body: { episodes: [], next: 'a1' } });
});
