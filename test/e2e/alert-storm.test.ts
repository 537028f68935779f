/** Ten thousand alerts at once, and the few notifications that people get. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

type Told = { count: number; groups?: number };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack({ ALERT_GROUP_WAIT_MS: '2000' });
});
afterAll(() => stack.stop());

test('a storm of 10,000 alerts becomes a handful of notifications, which tell of all of them', async () => {
  const notifications = await collect(stack.nc, 'notifications.high');
  const alerts = Array.from({ length: 10_000 }, (_, n) => ({
    source: 'storm',
    group: `g${n}`,
    summary: `it is ${n}`,
    agent_ids: [`a${n}`],
  }));
  for (let n = 0; n < alerts.length; n += 500)
    await Promise.all(alerts.slice(n, n + 500).map((alert) => stack.publish('alerts.high', alert)));
  const told = () => notifications.map(({ body }) => body as Told);
  const sum = (of: (one: Told) => number) => told().reduce((total, one) => total + of(one), 0);
  await expect.poll(() => sum(({ count }) => count), { timeout: 150_000 }).toBe(10_000);
  expect(sum(({ groups = 1 }) => groups)).toBe(10_000);
  expect(told().length).toBeLessThanOrEqual(12);
}, 180_000);
