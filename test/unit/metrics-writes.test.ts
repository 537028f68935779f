/** metrics-collector on a table in memory: what it writes, and what a redelivery does. */
import { expect, test } from 'vitest';
import { agentMetrics, componentMetrics } from '#functions/metrics-collector/decide.ts';
import { withEmf } from '#functions/metrics-collector/emf.ts';
import { query } from '#functions/metrics-collector/queries.ts';
import { settings } from '#functions/metrics-collector/settings.ts';
import type { Batch } from '#shared/contract.ts';
import { readerOf } from '#shared/entity/reader.ts';
import type { Store } from '#shared/entity/store.ts';
import { createFunction } from '#shared/function/create-function.ts';
import { readLoads } from '#shared/metrics/load.ts';
import { memoryStore } from '#test/sim/memory-store.ts';
import { START } from '#test/support/decide.ts';

type Sent = { subject: string; body: unknown; ms: number };

const HEALTH = { status: { state: 'healthy' }, metrics: { cpu_usage: 0.5 } };

const world = () => {
  let now = START;
  const clock = { now: () => now, after: () => () => undefined };
  const memory = memoryStore({ clock });
  const writes = { states: 0, children: 0 };
  const lines: Record<string, unknown>[] = [];
  const counting: Store = {
    ...memory,
    write: (units) => {
      writes.states += units.flat().length;
      return memory.write(units);
    },
    putChildren: (children) => {
      writes.children += children.length;
      return memory.putChildren(children);
    },
  };
  const store = withEmf(counting, {
    settings: { detail: 'fleet', names: ['cpu_usage'] },
    service: 'ms-dev',
    write: (line) => lines.push(JSON.parse(line)),
  });
  const metrics = { addMetric: () => undefined, publishStoredMetrics: () => undefined };
  const logger = { warn: () => undefined, error: () => undefined };
  const handler = createFunction(
    { name: 'metrics-collector', settings, entities: [agentMetrics, componentMetrics], queries: [query] },
    () => ({ store, clock, random: () => 0, environment: {}, logger, metrics }) as never,
  );
  let invocations = 0;
  const deliver = async (source: 'jetstream' | 'core' | 'request', sent: Sent[], first = 1) => {
    now = Math.max(now, ...sent.map(({ ms }) => START + ms));
    const batch: Batch = {
      eventSource: `nats:${source}`,
      binding: 'metrics-collector.some',
      consumer: 'S@1/metrics-collector_some.1',
      floor: { sequence: 0, asOf: new Date(START).toISOString() },
      deadline: new Date(now + 60_000).toISOString(),
      Records: sent.map(({ subject, body, ms }, n) => ({
        id: `S@1:${first + n}:${START + ms}`,
        subject,
        data: JSON.stringify(body),
        encoding: 'utf8',
        headers: {},
        sequence: first + n,
        deliveries: 1,
        timestamp: new Date(START + ms).toISOString(),
      })),
    };
    return handler(batch, { awsRequestId: `i${++invocations}` });
  };
  const points = async (of: object) => {
    const { replies } = await deliver('request', [{ subject: 'control.metrics.query', body: of, ms: now - START }]);
    return (JSON.parse(replies?.[0]?.data ?? '{}') as { points: { count: number }[] }).points;
  };
  return { deliver, points, writes, lines, reader: readerOf(memory) };
};

/** Every metric of an agent once a second, for 10 s from `ms` on. */
const tenSeconds = (ms: number, metrics: number): Sent[] =>
  Array.from({ length: 10 * metrics }, (_, n) => ({
    subject: `metrics.agent.a1.m${n % metrics}`,
    body: n,
    ms: ms + 1000 * Math.floor(n / metrics),
  }));

test('an agent costs one write every 10 s and two children a minute, however many metrics it has and however often it sends them', async () => {
  const { deliver, writes, points } = world();
  for (let ms = 0; ms < 600_000; ms += 10_000) await deliver('core', tenSeconds(ms, 8), ms);
  expect(writes).toEqual({ states: 60, children: 18 });
  expect((await points({ agent_id: 'a1', metric: 'm3', resolution: '1m' })).map(({ count }) => count)).toEqual(new Array(10).fill(60));
});

test('an agent that sends no metrics costs nothing', async () => {
  const { deliver, writes } = world();
  await deliver('core', [{ subject: 'agent.a1.heartbeat', body: { status: 'ready' }, ms: 0 }]);
  await deliver('jetstream', [{ subject: 'supervision.health.a1', body: { status: { state: 'healthy' } }, ms: 0 }]);
  expect(writes).toEqual({ states: 0, children: 0 });
});

test('a health event that is delivered again counts once', async () => {
  const { deliver, writes, points } = world();
  const sent = [0, 1, 2].map((ms) => ({ subject: 'supervision.health.a1', body: HEALTH, ms }));
  for (let times = 0; times < 3; times++) await deliver('jetstream', sent);
  expect(await points({ agent_id: 'a1', metric: 'cpu_usage' })).toMatchObject([{ count: 3, sum: 1.5 }]);
  expect(writes.states).toBe(1);
});

test('what a backlog says is rolled up as if it had been heard in time', async () => {
  const { deliver, points } = world();
  const sent = [0, 30, 60, 90, 120].map((s) => ({ subject: 'supervision.health.a1', body: HEALTH, ms: s * 1000 }));
  await deliver('core', [{ subject: 'metrics.agent.a2.m', body: 1, ms: 600_000 }]);
  await deliver('jetstream', sent);
  expect((await points({ agent_id: 'a1', metric: 'cpu_usage', resolution: '1m' })).map(({ count }) => count)).toEqual([2, 2, 1]);
});

test('CloudWatch is told of a minute once, when it is closed', async () => {
  const { deliver, lines } = world();
  const sent = [0, 1000, 90_000].map((ms) => ({ subject: 'supervision.health.a1', body: HEALTH, ms }));
  for (let times = 0; times < 2; times++) await deliver('jetstream', sent);
  expect(lines).toMatchObject([{ _aws: { Timestamp: START }, cpu_usage: { Count: 2, Sum: 1, Min: 0.5, Max: 0.5 } }]);
});

test('the load figures of agents are read by who routes', async () => {
  const { deliver, reader } = world();
  await deliver('core', [{ subject: 'agent.a1.heartbeat', body: { current_load: 0.75, metrics: {} }, ms: 0 }]);
  expect(await readLoads(reader, ['a1', 'a2'])).toEqual(new Map([['a1', { load: { value: 0.75, at: START } }]]));
});
