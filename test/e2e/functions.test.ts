/** What a person with any NATS client sees: every function, end to end, on a real server and a real table. */
import { Kvm } from '@nats-io/kv';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 10_000, interval: 20 };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack();
});
afterAll(() => stack.stop());

const ask = async (subject: string, body: unknown) => {
  const message = await stack.nc.request(subject, JSON.stringify(body), { timeout: 5000 });
  return { error: message.headers?.get('Nats-Service-Error') || undefined, body: message.json<Record<string, unknown>>() };
};

const register = async (agent_id: string, extra: object = {}) => {
  await stack.publish(`agent.${agent_id}.created`, { agent_id, domain: 'nlp', name: 'worker', capabilities: ['ner'], ...extra });
  await stack.publish(`agent.${agent_id}.started`, { agent_id });
  await stack.publish(`agent.${agent_id}.ready`, { agent_id });
};

test('an agent that says it is ready can be found by what it can do', async () => {
  await register('found-1', { capabilities: ['sentiment'], zone: 'eu' });
  await expect
    .poll(() => ask('agents.discovery.find', { capability: 'sentiment' }), WITHIN)
    .toMatchObject({
      body: { agents: [{ agent_id: 'found-1', domain: 'nlp', zone: 'eu' }] },
    });
  expect(await ask('agents.discovery.resolve', { agent_id: 'found-1' })).toMatchObject({ body: { agent: { agent_id: 'found-1' } } });
});

test('an agent in service has its state in the bucket AGENT_STATE', async () => {
  const bucket = await new Kvm(stack.nc).open('AGENT_STATE');
  await register('kept-1');
  await expect
    .poll(async () => (await bucket.get('agent.kept-1'))?.json(), WITHIN)
    .toMatchObject({ agent_id: 'kept-1', status: 'ready', capabilities: ['ner'] });
});

test('an agent that nobody introduced is listed when it beats', async () => {
  stack.nc.publish('agent.stranger-1.heartbeat', JSON.stringify({ agent_id: 'stranger-1', status: 'ready' }));
  await expect
    .poll(() => ask('agents.discovery.resolve', { agent_id: 'stranger-1' }), WITHIN)
    .toMatchObject({ body: { agent: { agent_id: 'stranger-1', state: 'unregistered' } } });
});

test('asking for an agent that does not exist is answered with a sentence', async () => {
  const { error } = await ask('agents.discovery.resolve', { agent_id: 'nobody' });
  expect(error).toMatch(/nobody/);
});

test('a critical failure is escalated, told to people and recovered', async () => {
  const escalations = await collect(stack.nc, 'supervision.escalation.1');
  const alerts = await collect(stack.nc, 'alerts.critical');
  const recoveries = await collect(stack.nc, 'supervision.recovery.crashed-1');
  const failure = { type: 'failure', event_id: 'e-1', agent_id: 'crashed-1', failure_type: 'process_crash', severity: 'critical' };
  await stack.publish('supervision.failures.critical', failure);
  await stack.publish('supervision.failures.critical', failure);
  await expect.poll(() => [escalations, alerts, recoveries].map((seen) => seen.length), WITHIN).toEqual([1, 1, 1]);
  expect(recoveries[0]?.body).toMatchObject({ type: 'recovery', agent_id: 'crashed-1', recovery_action: 'restart' });
});

test("the failure of document 000's Rust agents is understood", async () => {
  const recoveries = await collect(stack.nc, 'supervision.recovery.rust-1');
  await stack.publish('supervision.failures.high', {
    Failure: {
      agent_id: 'rust-1',
      failure_type: 'ProcessCrash',
      severity: 'High',
      context: {},
      detection_time: { secs_since_epoch: 1_780_000_000, nanos_since_epoch: 0 },
    },
  });
  await expect.poll(() => recoveries.length, WITHIN).toBe(1);
});

test('a scatter is complete when enough agents have answered, and says so once', async () => {
  const complete = await collect(stack.nc, 'gather.g1.complete');
  await stack.publish('scatter.g1.task', { request_id: 'g1', min_responses: 2, max_responses: 3, timeout_ms: 20_000, payload: 'x' });
  for (const agent_id of ['a', 'b', 'b', 'c', 'd']) await stack.publish('gather.g1.result', { agent_id, result: { said: agent_id } });
  await expect.poll(() => complete.length, WITHIN).toBe(1);
  expect(complete[0]?.body).toMatchObject({ request_id: 'g1', status: 'complete', count: 3 });
});

test('a scatter that too few answered times out', async () => {
  const complete = await collect(stack.nc, 'gather.g2.complete');
  await stack.publish('gather.g2.result', { agent_id: 'early', result: 1 });
  await stack.publish('scatter.g2.task', { request_id: 'g2', min_responses: 2, max_responses: 3, timeout_ms: 500 });
  await expect.poll(() => complete.map(({ body }) => body), WITHIN).toMatchObject([{ status: 'timed_out', count: 1 }]);
});

test('a scatter to which nothing more comes ends before its timeout, partly answered, and says who is missing', async () => {
  const complete = await collect(stack.nc, 'gather.g5.complete');
  const rules = { idle_timeout_ms: 500, expected: ['a', 'b'], allow_partial: true, strategy: 'reduce', reduce: { op: 'sum' } };
  await stack.publish('scatter.g5.task', { request_id: 'g5', min_responses: 2, timeout_ms: 60_000, ...rules });
  await stack.publish('gather.g5.result', { agent_id: 'a', result: 7 });
  await expect.poll(() => complete.length, WITHIN).toBe(1);
  const said = { status: 'partial', count: 1, failed: 0, missing: ['b'], completed_by: 'inactivity', value: 7 };
  expect(complete[0]?.body).toEqual({ request_id: 'g5', ...said });
});

test('a thousand results of 10 KB are answered by reference and fetched page by page', async () => {
  const complete = await collect(stack.nc, 'gather.g3.complete');
  await stack.publish('scatter.g3.task', { request_id: 'g3', min_responses: 1000, timeout_ms: 60_000 });
  const result = 'r'.repeat(10_000);
  await Promise.all(Array.from({ length: 1000 }, (_, n) => stack.publish('gather.g3.result', { agent_id: `w${n}`, result })));
  await expect
    .poll(() => complete.map(({ body }) => body), { timeout: 30_000, interval: 50 })
    .toMatchObject([{ status: 'complete', count: 1000 }]);
  const answer = complete[0]?.body as { responses: { page: number }[] } | undefined;
  const pages = new Set(answer?.responses.map(({ page }) => page));
  const responses: { agent_id: string; result: string }[] = [];
  for (const page of pages)
    responses.push(...((await ask('control.gather.page', { request_id: 'g3', page })).body.responses as typeof responses));
  expect(new Set(responses.map(({ agent_id }) => agent_id)).size).toBe(1000);
  expect(responses.every((response) => response.result === result)).toBe(true);
}, 60_000);

test('raw results count by their header, or as anonymous', async () => {
  const complete = await collect(stack.nc, 'gather.g4.complete');
  await stack.publish('scatter.g4.task', { request_id: 'g4', min_responses: 2, timeout_ms: 20_000 });
  await stack.publish('gather.g4.result', 'plain text');
  await stack.publish('gather.g4.result', 'plain text');
  await expect.poll(() => complete.map(({ body }) => body), WITHIN).toMatchObject([{ status: 'complete', count: 2 }]);
});
