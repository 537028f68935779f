/** Patterns in what goes wrong, on the real stack: from the failures to whoever hears of an episode. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 15_000, interval: 20 };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack({ PATTERN_QUIET_MS: '1000', PATTERN_SAMPLE_MS: '0' });
});
afterAll(() => stack.stop());

const fail = async (agent_id: string, event_id: string, failure_type = 'process_crash') =>
  stack.publish('supervision.failures.medium', { event_id, agent_id, failure_type, severity: 'medium' });

const open = async (pattern_type: string) => {
  const message = await stack.nc.request('control.patterns.list', JSON.stringify({ pattern_type }), { timeout: 5000 });
  return message.json<{ episodes: unknown[] }>().episodes;
};

const told = (seen: { body: unknown }[], pattern_type: string) =>
  seen.map(({ body }) => body as Record<string, unknown>).filter((body) => body.pattern_type === pattern_type);

test('six failures of an agent are one episode, with an alert, that is closed later', async () => {
  const seen = await collect(stack.nc, 'supervision.events');
  const alerts = await collect(stack.nc, 'alerts.high');
  for (let n = 0; n < 6; n++) await fail('spiky', `spiky-${n}`);
  await expect
    .poll(() => told(seen, 'failure_spike'), WITHIN)
    .toMatchObject([{ phase: 'detected', affected_agents: ['spiky'], confidence: 1 }]);
  expect(await open('failure_spike')).toMatchObject([{ affected_agents: ['spiky'] }]);
  await expect.poll(() => told(seen, 'failure_spike').map(({ phase }) => phase), WITHIN).toEqual(['detected', 'closed']);
  await expect.poll(() => open('failure_spike'), WITHIN).toEqual([]);
  const group = told(seen, 'failure_spike')[0]?.episode_id;
  await expect
    .poll(() => alerts.map(({ body }) => body), WITHIN)
    .toMatchObject([
      { status: 'firing', group },
      { status: 'resolved', group },
    ]);
});

test('a zone that falls silent is a partition: the registry says how large it is', async () => {
  const zones = [...Array(5).fill('east'), ...Array(15).fill('west')];
  for (const [n, zone] of zones.entries())
    for (const verb of ['created', 'started', 'ready']) await stack.publish(`agent.part-${n}.${verb}`, { agent_id: `part-${n}`, zone });
  const active = async () => {
    const message = await stack.nc.request('agents.discovery.find', JSON.stringify({ healthy: true, limit: 100 }), { timeout: 5000 });
    return message.json<{ agents: unknown[] }>().agents.length;
  };
  await expect.poll(active, WITHIN).toBe(20);
  const seen = await collect(stack.nc, 'supervision.events');
  for (let n = 0; n < 5; n++) await fail(`part-${n}`, `silent-${n}`, 'timeout_failure');
  await expect
    .poll(() => told(seen, 'network_partition')[0], WITHIN)
    .toMatchObject({ phase: 'detected', evidence: { zone: 'east', zone_agents: 5, fleet: 20 }, recommended_action: { action: 'alert' } });
});

test('a response time that jumps is an episode of its agent', async () => {
  const seen = await collect(stack.nc, 'supervision.events');
  const health = (response_time_ms: number) =>
    stack.publish('supervision.health.slow', { agent_id: 'slow', status: { state: 'healthy' }, metrics: { response_time_ms } });
  for (let n = 0; n < 60; n++) await health((n < 40 ? 100 : 300) + (n % 7));
  await expect
    .poll(() => told(seen, 'performance_degradation')[0], WITHIN)
    .toMatchObject({ phase: 'detected', affected_agents: ['slow'], evidence: { metric: 'response_time_ms' } });
});
