/** An agent that measures for a while, and an operator who looks at it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RELATIVE_ERROR } from '#shared/metrics/sketch.ts';
import { type Stack, setupStack } from '#test/support/stack.ts';

/** A batch of metrics is open for 10 s. */
const WITHIN = { timeout: 25_000, interval: 250 };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack();
});
afterAll(() => stack.stop());

const ask = async (body: unknown) => {
  const message = await stack.nc.request('control.metrics.query', JSON.stringify(body), { timeout: 5000 });
  return { error: message.headers?.get('Nats-Service-Error') || undefined, body: message.json<Record<string, unknown>>() };
};

/** What another attempt at a test has published is counted, too. */
const aName = () => `measured-${randomUUID().slice(0, 8)}`;

type Point = { count: number; sum: number; min: number; max: number; p50: number; p99: number };

/** The hour's points: one, or two where the test runs over its end. */
const pointsOf = async (of: object) => ((await ask({ ...of, resolution: '1h' })).body.points ?? []) as Point[];
const countOf = async (of: object) => (await pointsOf(of)).reduce((sum, { count }) => sum + count, 0);

test('metrics that were published are answered with their count, extremes and quantiles', async () => {
  const [agent_id, component] = [aName(), aName()];
  const published = Array.from({ length: 1000 }, (_, n) => n + 1);
  for (const value of published) {
    const timestamp = new Date().toISOString();
    stack.nc.publish(`metrics.agent.${agent_id}.response_time_ms`, JSON.stringify({ value, unit: 'ms', timestamp }));
    stack.nc.publish(`metrics.system.${component}.lag`, String(value));
  }
  await expect.poll(() => countOf({ agent_id, metric: 'response_time_ms' }), WITHIN).toBe(1000);
  await expect.poll(() => countOf({ component, metric: 'lag' }), WITHIN).toBe(1000);
  const points = await pointsOf({ agent_id, metric: 'response_time_ms' });
  expect([Math.min(...points.map(({ min }) => min)), Math.max(...points.map(({ max }) => max))]).toEqual([1, 1000]);
  expect(points.reduce((sum, point) => sum + point.sum, 0)).toBe(500_500);
  const [{ p50, p99 }] = points as [Point];
  // Over the end of an hour, each part has quantiles of its own.
  if (points.length === 1)
    expect([Math.abs(p50 / 500 - 1), Math.abs(p99 / 990 - 1)].map((error) => error <= RELATIVE_ERROR)).toEqual([true, true]);
});

test('a health event that a stream keeps is counted, and so is what heartbeats say', async () => {
  const agent_id = aName();
  await stack.publish(`supervision.health.${agent_id}`, { status: { state: 'healthy' }, metrics: { cpu_usage: 0.5 } });
  stack.nc.publish(`agent.${agent_id}.heartbeat`, JSON.stringify({ current_load: 0.25, metrics: { queue: 3 } }));
  for (const metric of ['cpu_usage', 'current_load', 'queue']) await expect.poll(() => countOf({ agent_id, metric }), WITHIN).toBe(1);
});

test('an operator who asks for what is not measured is told so', async () => {
  expect(await ask({ agent_id: 'nobody', metric: 'load' })).toMatchObject({ error: expect.stringContaining('nobody') });
  expect(await ask({ metric: 'load' })).toMatchObject({ error: expect.stringContaining('agent_id') });
});
