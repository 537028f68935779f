/** The supervision tree, as a supervisor's process and an operator shape it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 15_000, interval: 20 };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack({
    ESCALATION_SUPERVISOR_MS: '400',
    ESCALATION_DOMAIN_MS: '400',
    ESCALATION_ROOT_MS: '400',
    RECOVERY_OFF: 'agent:b1',
  });
});
afterAll(() => stack.stop());

const ask = async (verb: string, body: unknown = {}) => {
  const message = await stack.nc.request(`control.supervisor.${verb}`, JSON.stringify(body), { timeout: 5000 });
  const code = message.headers?.get('Nats-Service-Error-Code');
  return code ? { code, error: message.headers?.get('Nats-Service-Error') } : message.json<Record<string, unknown>>();
};

const say = (supervisor_id: string, event_type: string, body: object = {}) =>
  stack.publish(`supervisor.${supervisor_id}.events`, { event_type, ...body });

test('a supervisor’s process says what it is, an agent joins it, and show answers the tree with how the agents are', async () => {
  await say('s1', 'started', { strategy: 'one_for_all', parent: 'domain-nlp', children: ['a1'] });
  await expect.poll(() => ask('show', { supervisor_id: 's1' }), WITHIN).toMatchObject({ supervisor: { strategy: 'one_for_all' } });
  for (const verb of ['created', 'started', 'ready']) await stack.publish(`agent.a2.${verb}`, { domain: 'nlp', supervisor: 's1' });
  const agents = [
    { id: 'a1', lifecycle: null, healthy: false },
    { id: 'a2', lifecycle: 'active', healthy: true },
  ];
  const nlp = { id: 'domain-nlp', parent: 'root', children: [{ id: 's1', parent: 'domain-nlp', children: agents }] };
  await expect.poll(() => ask('show'), WITHIN).toMatchObject({ supervisor: { supervisor_id: 'root', children: [nlp] } });
});

test('an operator who defines a cycle, an orphan or a second parent is told so with a sentence', async () => {
  expect(await ask('define', { supervisor_id: 's2', parent: 's1', children: ['b1'] })).toMatchObject({ supervisor: { parent: 's1' } });
  expect(await ask('define', { supervisor_id: 's1', parent: 's2' })).toEqual({
    code: '400',
    error: 'supervisor s1 would be below itself (s1 under s2 under s1): move one of them elsewhere',
  });
  expect(await ask('define', { supervisor_id: 's3', parent: 's9' })).toMatchObject({
    code: '400',
    error: expect.stringMatching(/orphan.* s9 /),
  });
  expect(await ask('add_child', { supervisor_id: 's1', child: { id: 'b1' } })).toMatchObject({
    error: expect.stringMatching(/^agent b1 is a child of s2/),
  });
  expect(await ask('remove', { supervisor_id: 's9' })).toMatchObject({ code: '404' });
});

test('what a process says that would be no tree is a dead letter with the same sentence', async () => {
  const letters = await collect(stack.nc, 'dlq.supervisor.s1.events');
  await say('s1', 'updated', { parent: 's2' });
  await expect
    .poll(() => letters.map(({ headers }) => [headers['X-Dead-Letter-Code'], headers['X-Dead-Letter-Reason']]), WITHIN)
    .toEqual([['invalid_cycle', 'supervisor s1 would be below itself (s1 under s2 under s1): move one of them elsewhere']]);
});

test('what nobody answers climbs the real supervisors of an agent', async () => {
  const handed = await collect(stack.nc, 'supervisor.*.events');
  await stack.publish('supervision.failures.high', { event_id: 'b1-e1', agent_id: 'b1', failure_type: 'process_crash', severity: 'high' });
  await expect.poll(() => handed.map(({ subject }) => subject.split('.')[1]), WITHIN).toEqual(['s2', 's1', 'domain-nlp', 'root', 'people']);
});

test('a child that is taken away and a supervisor that is removed are no longer shown', async () => {
  expect(await ask('remove_child', { supervisor_id: 's2', child_id: 'b1' })).toMatchObject({ supervisor: { children: [] } });
  expect(await ask('remove', { supervisor_id: 's2' })).toMatchObject({ supervisor: { supervisor_id: 's2', children: [] } });
  expect(await ask('show', { supervisor_id: 's2' })).toMatchObject({ code: '404' });
  expect(await ask('show', { supervisor_id: 's1' })).toMatchObject({ supervisor: { children: [{ id: 'a1' }, { id: 'a2' }] } });
});
