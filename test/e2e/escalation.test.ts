/** An agent in trouble, from its failure to whoever answers. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 15_000, interval: 20 };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack({ ESCALATION_SUPERVISOR_MS: '400', ESCALATION_DOMAIN_MS: '400', ESCALATION_ROOT_MS: '400' });
});
afterAll(() => stack.stop());

const ask = async (subject: string, body: unknown = {}) => {
  const message = await stack.nc.request(subject, JSON.stringify(body), { timeout: 5000 });
  return { error: message.headers?.get('Nats-Service-Error') || undefined, body: message.json<Record<string, unknown>>() };
};

const fail = (agent_id: string) =>
  stack.publish('supervision.failures.critical', {
    event_id: `${agent_id}-e1`,
    agent_id,
    failure_type: 'process_crash',
    severity: 'critical',
  });

const register = async (agent_id: string, supervisor: string) => {
  for (const verb of ['created', 'started', 'ready'])
    await stack.publish(`agent.${agent_id}.${verb}`, { agent_id, domain: 'nlp', name: 'worker', supervisor });
  await expect.poll(() => ask('agents.discovery.resolve', { agent_id }), WITHIN).toMatchObject({ body: { agent: { state: 'active' } } });
};

const unresolved = async (agent_id: string) => {
  const { body } = await ask('control.escalation.list');
  return (body.cases as { agent_id: string }[]).filter((one) => one.agent_id === agent_id);
};

test('what nobody answers goes from the supervisor to its domain, to root and to people', async () => {
  await register('alone', 's1');
  const handed = await collect(stack.nc, 'supervisor.*.events');
  const passed = await collect(stack.nc, 'supervision.escalation.*');
  const alerts = await collect(stack.nc, 'alerts.critical');
  await fail('alone');
  const escalated = () => handed.filter(({ body }) => (body as { event_type: string }).event_type === 'escalation');
  await expect
    .poll(() => escalated().map(({ subject }) => subject), WITHIN)
    .toEqual(['s1', 'domain-nlp', 'root', 'people'].map((id) => `supervisor.${id}.events`));
  await expect.poll(() => passed.map(({ subject }) => subject), WITHIN).toEqual([1, 2, 3, 4].map((n) => `supervision.escalation.${n}`));
  await expect.poll(() => alerts.map(({ body }) => body), WITHIN).toMatchObject([{ source: 'failure-handler' }, { source: 'escalation' }]);
  expect(await unresolved('alone')).toMatchObject([{ escalation_level: 4, status: 'open', count: 1 }]);
});

test('somebody who acknowledges a case stops it, and resolves it later', async () => {
  const alerts = await collect(stack.nc, 'alerts.low');
  await fail('seen');
  await expect
    .poll(() => ask('control.escalation.ack', { agent_id: 'seen', by: 'kim', reason: 'mine' }), WITHIN)
    .toMatchObject({
      error: undefined,
      body: { case: { status: 'acknowledged', acknowledged: { by: 'kim', reason: 'mine' } } },
    });
  expect(await ask('control.escalation.resolve', { agent_id: 'seen', by: 'kim' })).toMatchObject({
    body: { case: { status: 'resolved' } },
  });
  await expect.poll(() => unresolved('seen'), WITHIN).toEqual([]);
  await expect
    .poll(() => alerts.map(({ body }) => (body as { summary: string }).summary), WITHIN)
    .toEqual(['the escalation of agent seen is acknowledged by kim: mine', 'the escalation of agent seen is resolved by kim']);
});

test('a case that is acknowledged stays where it is while a later one reaches people', async () => {
  await fail('taken');
  await expect.poll(() => ask('control.escalation.ack', { agent_id: 'taken', by: 'kim' }), WITHIN).toMatchObject({ error: undefined });
  const [before] = await unresolved('taken');
  await fail('later');
  await expect.poll(() => unresolved('later'), WITHIN).toMatchObject([{ escalation_level: 4 }]);
  expect(await unresolved('taken')).toEqual([before]);
});

test('an agent that is ready again resolves its case', async () => {
  const alerts = await collect(stack.nc, 'alerts.low');
  await fail('back');
  await expect.poll(() => unresolved('back'), WITHIN).toHaveLength(1);
  await stack.publish('agent.back.ready', { agent_id: 'back' });
  await expect
    .poll(() => alerts.map(({ body }) => body), WITHIN)
    .toContainEqual(
      expect.objectContaining({
        agent_ids: ['back'],
        summary: 'the escalation of agent back is resolved by back: the agent is ready again',
      }),
    );
  await expect.poll(() => unresolved('back'), WITHIN).toEqual([]);
});

test('an operator who asks for a case that is not there is told so', async () => {
  expect(await ask('control.escalation.ack', { agent_id: 'nobody', by: 'kim' })).toMatchObject({
    error: 'agent nobody has no open escalation',
  });
});
