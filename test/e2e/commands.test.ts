/** Commands, broadcasts and requests to a role, as anybody with a NATS client sees them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { obedientAgents } from '#test/support/obedient-agents.ts';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 30_000, interval: 20 };

let stack: Stack;
let agents: ReturnType<typeof obedientAgents>;

beforeAll(async () => {
  stack = await setupStack();
  agents = obedientAgents(stack);
}, 60_000);
afterAll(() => stack.stop());

const ask = (...of: Parameters<typeof agents.ask>) => agents.ask(...of);

test('who does not answer is asked again, and missing in the end', async () => {
  const again = await collect(stack.nc, 'agent.dead-1.cmd.status');
  const to = { agent_ids: ['dead-1', 'alive-1'] };
  const answer = await ask('control.command.send', { command: 'status', to, timeout_ms: 1200, by: 'kim' });
  expect(answer).toMatchObject({ status: 'timed_out', answered: [{ agent_id: 'alive-1' }], missing: ['dead-1'] });
  expect(again.length).toBeGreaterThan(1);
  expect(await ask('control.command.show', { command_id: answer.command_id })).toMatchObject({ status: 'timed_out', missing: ['dead-1'] });
});

test('an agent that answers elsewhere, with the id of the command, has answered', async () => {
  stack.nc.subscribe('agent.dead-2.cmd.config', {
    callback: (_, message) =>
      stack.nc.publish(
        'agent.dead-2.resp.config',
        JSON.stringify({ ok: true, command_id: message.json<{ command_id: string }>().command_id }),
      ),
  });
  const answer = await ask('control.command.send', {
    command: 'config',
    to: { agent_ids: ['dead-2'] },
    payload: { level: 'debug' },
    by: 'kim',
  });
  expect(answer).toMatchObject({ status: 'complete', answered: [{ agent_id: 'dead-2', response: { ok: true } }] });
});

test('an agent that is shut down drains until its deadline, and is taken for gone then', async () => {
  await agents.register('drained-1', 'drained');
  const deadline = new Date(Date.now() + 2000).toISOString();
  const known = () => ask('agents.discovery.resolve', { agent_id: 'drained-1' });
  await expect.poll(known, WITHIN).toMatchObject({ agent: { state: 'active' } });
  await ask('control.command.send', { command: 'shutdown', to: { agent_ids: ['drained-1'] }, deadline, by: 'kim' });
  await expect.poll(known, WITHIN).toMatchObject({ agent: { state: 'draining' } });
  await expect.poll(known, WITHIN).toMatchObject({ agent: { state: 'terminated', reason: 'drained' } });
});

test('the commands of phase 2 reach the agent that they name', async () => {
  stack.nc.publish('agent.command', JSON.stringify({ command: 'input', agent_id: 'old-1', data: 'hello' }));
  stack.nc.publish('system.control', JSON.stringify({ command: 'stop', agent_id: 'old-1' }));
  const seen = () =>
    agents.obeyed
      .filter(({ id }) => id === 'old-1')
      .map(({ verb, body }) => [verb, body.payload])
      .toSorted();
  await expect.poll(seen, WITHIN).toEqual([
    ['execute', { data: 'hello' }],
    ['shutdown', undefined],
  ]);
});

test('a broadcast goes to all, to a domain, or to the domains of a capability', async () => {
  await agents.register('eye-1', 'vision');
  await expect.poll(async () => (await agents.find('vision')).length, WITHIN).toBe(1);
  const heard = await collect(stack.nc, 'broadcast.>');
  await ask('control.broadcast.send', { scope: 'global', event: 'e1', payload: { n: 1 }, by: 'kim' });
  await ask('control.broadcast.send', { scope: 'domain', domain: 'nlp', event: 'e2', by: 'kim' });
  await ask('control.broadcast.send', { scope: 'domain', capability: 'vision', event: 'e3', payload: 'text', by: 'kim' });
  await expect
    .poll(() => heard.map(({ subject, body }) => [subject, body]), WITHIN)
    .toEqual([
      ['broadcast.global.e1', { n: 1 }],
      ['broadcast.domain.nlp.e2', ''],
      ['broadcast.domain.vision.e3', 'text'],
    ]);
});

test('a request to a role is answered by a healthy instance, with the bytes and the action as they were', async () => {
  const role = { name: 'summarizer', metadata: { addressed: true } };
  for (const id of ['sum-1', 'sum-2', 'sum-3']) await agents.register(id, 'text', role);
  await expect.poll(async () => (await agents.statesOf('text')).active?.length, WITHIN).toBe(3);
  await stack.publish('supervision.health.sum-3', { status: { state: 'unresponsive' }, agent_id: 'sum-3', type: 'health' });
  await expect.poll(() => ask('agents.discovery.resolve', { agent_id: 'sum-3' }), WITHIN).toMatchObject({ agent: { healthy: false } });
  const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => ask('agents.text.summarizer.shorten', { n })));
  expect(new Set(answers.map(({ by }) => by))).toEqual(new Set(['sum-1', 'sum-2']));
  expect(
    agents.obeyed
      .filter(({ action }) => action === 'shorten')
      .map(({ body }) => body.n as number)
      .toSorted((a, b) => a - b),
  ).toEqual(answers.map((_, n) => n));
});

test('a role that nobody has is said, and agents that serve their role themselves are left alone', async () => {
  expect(await ask('agents.text.nobody.shorten')).toMatchObject({ error: { code: 'not_found' } });
  await agents.register('own-1', 'own', { name: 'server' });
  await expect.poll(async () => (await agents.find('own')).length, WITHIN).toBe(1);
  stack.nc.subscribe('agents.own.server.*', { queue: 'server', callback: (_, message) => void message.respond('{"served":true}') });
  const got = await stack.nc.requestMany('agents.own.server.act', '{}', { strategy: 'timer', maxWait: 1000 } as never);
  const answers: unknown[] = [];
  for await (const message of got) answers.push(message.json());
  expect([answers, agents.obeyed.some(({ id }) => id === 'own-1')]).toEqual([[{ served: true }], false]);
});
