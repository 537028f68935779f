/** Routing, as anybody with a NATS client sees it: policies set while all runs, who should get a message, and why. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 15_000, interval: 50 };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack();
  await Promise.all([
    register('r1', { zone: 'eu', max_concurrent_tasks: 3 }),
    register('r2', { zone: 'us', max_concurrent_tasks: 1 }),
    register('r3', { zone: 'us', max_concurrent_tasks: 1 }),
  ]);
  await vi.waitFor(async () => expect((await explain({})).eligible).toBe(3), WITHIN);
}, 60_000);
afterAll(() => stack.stop());

type Answer = { targets: string[]; why: string; eligible: number; left: unknown[]; policy: { pattern?: string }; error?: { code: string } };

const request = async (subject: string, body: object = {}) =>
  (await stack.nc.request(subject, JSON.stringify(body), { timeout: 5000 })).json<Answer>();

const register = async (agent_id: string, more: object) => {
  const fields = { agent_id, domain: 'nlp', name: 'reader', capabilities: ['read'], ...more };
  for (const verb of ['created', 'started', 'ready']) await stack.publish(`agent.${agent_id}.${verb}`, fields);
};

const needs = { capabilities: ['read'] };
const explain = (more: object) => request('control.routing.explain', { ...needs, ...more });
const choose = async (subject: string, more: object = {}) => (await request(`route.${subject}`, { ...needs, ...more })).targets.join();
const set = (pattern: string, policy: object) => request('control.routing.set', { pattern, policy, by: 'kim' });

const inARow = async (times: number, subject: string): Promise<string[]> => {
  const chosen: string[] = [];
  while (chosen.length < times) chosen.push(await choose(subject));
  return chosen;
};

test('without a policy equals take turns', async () => {
  expect((await inARow(6, 'work.any.normal.read')).toSorted()).toEqual(['r1', 'r1', 'r2', 'r2', 'r3', 'r3']);
});

test('a policy counts from the next request on, for all subjects of its pattern, and a narrower one before it', async () => {
  await set('work.nlp.>', { type: 'topology_aware', preferred_zones: ['eu'] });
  expect(await inARow(3, 'work.nlp.high.read')).toEqual(['r1', 'r1', 'r1']);
  await set('work.nlp.low.*', { type: 'load_based', balancer: 'weighted_round_robin' });
  expect((await inARow(5, 'work.nlp.low.read')).toSorted()).toEqual(['r1', 'r1', 'r1', 'r2', 'r3']);
  await set('work.nlp.>', { type: 'round_robin', targets: ['r2', 'r3'] });
  expect((await inARow(4, 'work.nlp.high.read')).toSorted()).toEqual(['r2', 'r2', 'r3', 'r3']);
  await request('control.routing.remove', { pattern: 'work.nlp.>', by: 'kim' });
  expect(new Set(await inARow(3, 'work.nlp.high.read'))).toEqual(new Set(['r1', 'r2', 'r3']));
});

test('an explanation says who is next, by which policy, and why the others are not; and nobody has had a turn by it', async () => {
  await set('work.vision.>', { type: 'round_robin', targets: ['r1', 'r2'] });
  const subject = 'work.vision.high.read';
  const explained = await explain({ subject, zone: 'us' });
  expect(explained).toMatchObject({
    targets: ['r2'],
    policy: { pattern: 'work.vision.>', by: 'kim' },
    candidates: 3,
    left: expect.arrayContaining([
      { agent_id: 'r1', why: 'it is in zone eu, not in us' },
      { agent_id: 'r3', why: 'the policy sends this to others' },
    ]),
  });
  expect(await explain({ subject, zone: 'us' })).toEqual(explained);
  expect([(await explain({ subject })).targets, await choose(subject), (await explain({ subject })).targets]).toEqual([
    ['r1'],
    'r1',
    ['r2'],
  ]);
});

test('a role is asked by its own subject', async () => {
  expect((await inARow(3, 'agents.nlp.reader.summarize')).toSorted()).toEqual(['r1', 'r2', 'r3']);
  expect(await request('route.agents.nlp.nobody.act')).toMatchObject({ targets: [], why: 'no agent is known that could be asked' });
});

test('how long calls to an agent take is known from the reports of its circuit', async () => {
  const report = (service: string, duration_ms: number) =>
    stack.nc.publish(`circuit.${service}.report`, JSON.stringify({ service, outcome: 'success', duration_ms }));
  report('r1', 900);
  report('r2', 20);
  report('r3', 300);
  await set('work.fast.*', { type: 'load_based', balancer: 'response_time' });
  const order = async () => (await explain({ subject: 'work.fast.read', count: 3 })).targets;
  await expect.poll(order, WITHIN).toEqual(['r2', 'r3', 'r1']);
});

test('an agent that is gone, or has an open circuit, is chosen by no policy', async () => {
  await stack.publish('agent.r3.stopped', { agent_id: 'r3' });
  await request('control.circuit.force', { service: 'r2', state: 'open', by: 'kim' });
  await set('work.ops.>', { type: 'capability_based', preference_order: ['r3', 'r2', 'r1'] });
  await expect.poll(() => choose('work.ops.high.read'), WITHIN).toBe('r1');
});

test('a policy that is none is refused with a sentence', async () => {
  const answer = await stack.nc.request('control.routing.set', JSON.stringify({ pattern: 'a.b', policy: { type: 'fastest' }, by: 'kim' }));
  expect([answer.headers?.get('Nats-Service-Error-Code'), answer.string(), answer.headers?.get('Nats-Service-Error')].join(' ')).toMatch(
    /policy.*must have a type: round_robin, load_based/,
  );
});
