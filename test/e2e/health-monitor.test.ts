/** Agents that fall silent and come back, of every kind that beats, as anybody with a NATS client sees it. */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 30_000, interval: 20 };
const INTERVAL_MS = 200;

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack({ HEALTH_ACCEPTABLE_PAUSE_MS: '1500', HEALTH_DWELL_MS: '1000' });
});
afterAll(() => stack.stop());

const ask = async (subject: string, agent_id: string) =>
  (await stack.nc.request(subject, JSON.stringify({ agent_id }), { timeout: 5000 })).json<Record<string, Record<string, unknown>>>();

/** Beats until the returned function is called, or the test ends. */
const beating = (subject: string, body: object): (() => void) => {
  const beat = () => stack.nc.publish(subject, JSON.stringify(body));
  beat();
  const timer = setInterval(beat, INTERVAL_MS);
  const stop = () => clearInterval(timer);
  onTestFinished(stop);
  return stop;
};

/** Until its own rhythm is what it is judged by. */
const isKnown = (agent_id: string) =>
  expect
    .poll(async () => (await ask('control.health.show', agent_id)).health?.rhythm, WITHIN)
    .toMatchObject({ mean_ms: expect.any(Number) });

const states = (seen: { body: unknown }[]) => seen.map(({ body }) => (body as { status: { state: string } }).status.state);

const session = { agent: 'coder', owner: 'kim', session: 's1' };
test.each([
  ['that registered', 'silent-1', 'agent.silent-1.heartbeat', { status: 'ready' }],
  ['of the Synadia Agent Protocol', 'coder-kim-s1', 'agents.hb.coder.kim.s1', { ...session, instance_id: 'i1', interval_s: 1 }],
  ['of document 004', 'old-1', 'orchestrator.broadcast.heartbeat', { from_agent: 'old-1', message_type: 'heartbeat', content: {} }],
])('an agent %s that falls silent is reported within seconds and once, and healthy once when it is back', async (_, id, subject, body) => {
  const health = await collect(stack.nc, `supervision.health.${id}`);
  const failures = await collect(stack.nc, 'supervision.failures.high');
  const mine = () => failures.map((one) => one.body as { agent_id: string; event_id: string }).filter(({ agent_id }) => agent_id === id);
  if (id === 'silent-1') for (const verb of ['created', 'ready']) await stack.publish(`agent.${id}.${verb}`, { agent_id: id });
  const stop = beating(subject, body);
  await isKnown(id);
  stop();
  await expect.poll(() => states(health), WITHIN).toEqual(['unresponsive']);
  await expect.poll(() => ask('agents.discovery.resolve', id), WITHIN).toMatchObject({ agent: { state: 'active', healthy: false } });
  beating(subject, body);
  await expect.poll(() => ask('agents.discovery.resolve', id), WITHIN).toMatchObject({ agent: { healthy: true } });
  expect([states(health), mine()]).toEqual([
    ['unresponsive', 'healthy'],
    [expect.objectContaining({ failure_type: 'timeout_failure', event_id: expect.stringMatching(`^silent-${id}-\\d+$`) })],
  ]);
});

test('an agent that answers when it is asked is not reported, though it beats no more', async () => {
  const health = await collect(stack.nc, 'supervision.health.busy-1');
  let asked = 0;
  stack.nc.subscribe('health.check.busy-1', {
    callback: (_, message) => {
      asked++;
      // As nats-py answers: with the headers of the request.
      message.respond(JSON.stringify({ agent_id: 'busy-1', status: 'busy' }), message.headers ? { headers: message.headers } : {});
    },
  });
  const stop = beating('agent.busy-1.heartbeat', {});
  await isKnown('busy-1');
  stop();
  await expect.poll(() => asked, WITHIN).toBeGreaterThan(2);
  expect(health).toEqual([]);
});

test('an agent that stops is not missed', async () => {
  const checks = await collect(stack.nc, 'health.check.done-1');
  const stop = beating('agent.done-1.heartbeat', {});
  await isKnown('done-1');
  stop();
  await stack.publish('agent.done-1.stopped', { agent_id: 'done-1' });
  await expect.poll(async () => (await ask('control.health.show', 'done-1')).health?.watch, WITHIN).toBe('unwatched');
  expect(checks).toEqual([]);
});

test('an agent that does badly for long is reported degraded', async () => {
  const health = await collect(stack.nc, 'supervision.health.hot-1');
  beating('agent.hot-1.heartbeat', { metrics: { cpu_usage: 0.9 } });
  await expect.poll(() => health.map(({ body }) => body), WITHIN).toMatchObject([{ status: { state: 'degraded' } }]);
});

test('of a fleet that beats on while the bridge is away nobody is reported, but for who fell silent meanwhile', async () => {
  const ids = Array.from({ length: 20 }, (_, n) => `fleet-${n}`);
  const health = await collect(stack.nc, 'supervision.health.*');
  const reported = () => health.map(({ subject }) => subject).filter((subject) => subject.includes('.fleet-'));
  let beats = 0;
  stack.nc.subscribe('agent.fleet-0.heartbeat', { callback: () => void beats++ });
  const stopLast = ids.map((id) => beating(`agent.${id}.heartbeat`, {})).at(-1);
  await Promise.all(ids.map(isKnown));
  await stack.withoutBridge(async () => {
    stopLast?.();
    const before = beats;
    // Longer than anybody is given.
    await expect.poll(() => (beats - before) * INTERVAL_MS, WITHIN).toBeGreaterThan(6000);
  });
  await expect.poll(reported, WITHIN).toEqual([`supervision.health.${ids.at(-1)}`]);
});
