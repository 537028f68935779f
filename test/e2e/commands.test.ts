/** Commands, checks and broadcasts to a fleet of 200, and requests to a role, as anybody with a NATS client sees them. */
import { headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 30_000, interval: 20 };
const FLEET = Array.from({ length: 200 }, (_, n) => `fleet-${String(n).padStart(3, '0')}`);

let stack: Stack;
/** What each agent was sent: its id, the verb, the body. */
const obeyed: { id: string; verb: string; body: Record<string, unknown>; action?: string | undefined }[] = [];

beforeAll(async () => {
  stack = await setupStack();
  // All agents on one subscription: what one of them would see is told by the subject.
  stack.nc.subscribe('agent.*.cmd.*', {
    callback: (_, message) => {
      const [, id = '', , verb = ''] = message.subject.split('.');
      if (id.startsWith('dead-')) return;
      obeyed.push({ id, verb, body: message.json(), action: message.headers?.get('X-Action') });
      message.respond(JSON.stringify({ status: 'ok', by: id }));
    },
  });
  stack.nc.subscribe('health.check.*', {
    callback: (_, message) => {
      const id = message.subject.split('.')[2] as string;
      if (id !== 'all' && !id.startsWith('dead-')) message.respond(JSON.stringify({ agent_id: id, status: 'ready' }));
    },
  });
  await Promise.all(FLEET.map((id) => register(id, 'fleet')));
  await vi.waitFor(async () => expect(await find('fleet')).toHaveLength(FLEET.length), WITHIN);
}, 60_000);
afterAll(() => stack.stop());

const register = async (agent_id: string, domain: string, more: object = {}) => {
  for (const verb of ['created', 'ready'])
    await stack.publish(`agent.${agent_id}.${verb}`, { agent_id, domain, capabilities: [domain], ...more });
};

const ask = async (subject: string, body: unknown = {}, timeout = 30_000) => {
  const message = await stack.nc.request(subject, JSON.stringify(body), { timeout });
  return message.json<Record<string, unknown>>();
};

const find = async (domain: string) =>
  (await ask('agents.discovery.find', { domain, limit: 1000 })).agents as { agent_id: string; state: string }[];
const statesOf = async (domain: string) => Object.groupBy(await find(domain), ({ state }) => state);
const sentTo = (command_id: string) => obeyed.filter(({ body }) => body.command_id === command_id).map(({ id }) => id);

test('a command to a domain reaches each of 200 agents, once while they answer, and suspends them in the registry until they are resumed', async () => {
  const paused = await ask('control.command.send', { command_id: 'p1', command: 'pause', to: { domain: 'fleet' }, by: 'kim' });
  expect(paused).toMatchObject({ status: 'complete', counts: { targets: 200, answered: 200, missing: 0 }, missing: [] });
  expect(sentTo('p1').toSorted()).toEqual(FLEET);
  expect((paused.answered as object[])[7]).toEqual({ agent_id: 'fleet-007', response: { status: 'ok', by: 'fleet-007' } });
  await expect.poll(async () => (await statesOf('fleet')).suspended?.length, WITHIN).toBe(200);
  await ask('control.command.send', { command: 'resume', to: { capability: 'fleet' }, by: 'kim' });
  await expect.poll(async () => (await statesOf('fleet')).active?.length, WITHIN).toBe(200);
});

test('who does not answer is asked again, and missing in the end', async () => {
  const again = await collect(stack.nc, 'agent.dead-1.cmd.status');
  const to = { agent_ids: ['dead-1', 'fleet-000'] };
  const answer = await ask('control.command.send', { command: 'status', to, timeout_ms: 1200, by: 'kim' });
  expect(answer).toMatchObject({ status: 'timed_out', answered: [{ agent_id: 'fleet-000' }], missing: ['dead-1'] });
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
  await register('drained-1', 'drained');
  const deadline = new Date(Date.now() + 2000).toISOString();
  const known = () => ask('agents.discovery.resolve', { agent_id: 'drained-1' });
  await expect.poll(known, WITHIN).toMatchObject({ agent: { state: 'active' } });
  await ask('control.command.send', { command: 'shutdown', to: { agent_ids: ['drained-1'] }, deadline, by: 'kim' });
  await expect.poll(known, WITHIN).toMatchObject({ agent: { state: 'draining' } });
  await expect.poll(known, WITHIN).toMatchObject({ agent: { state: 'terminated', reason: 'drained' } });
});

test('health.check.all gathers the word of every agent, and who is missing, before its requester leaves', async () => {
  await register('dead-3', 'sick');
  await expect.poll(async () => (await find('sick')).length, WITHIN).toBe(1);
  const options = { timeout: 20_000, headers: headers() };
  options.headers.set('X-Deadline', new Date(Date.now() + 6000).toISOString());
  const answer = (await stack.nc.request('health.check.all', '', options)).json<{ agents: object[]; missing: string[] }>();
  expect(answer.missing).toContain('dead-3');
  expect(answer.agents).toEqual(expect.arrayContaining(FLEET.map((agent_id) => ({ agent_id, status: 'ready' }))));
  expect(await ask('control.health.check', { domain: 'sick' })).toMatchObject({ agents: [], missing: ['dead-3'] });
});

test('a fan-out to more agents than fit a page is sent page by page, and answered in pages', async () => {
  const ids = Array.from({ length: 1234 }, (_, n) => `many-${n}`);
  const answer = await ask(
    'control.command.send',
    { command_id: 'm1', command: 'status', to: { agent_ids: ids }, timeout_ms: 60_000, by: 'kim' },
    70_000,
  );
  expect(answer).toMatchObject({ status: 'complete', counts: { targets: 1234, answered: 1234 }, pages: 3 });
  expect(new Set(sentTo('m1'))).toEqual(new Set(ids));
  const pages = await Promise.all([0, 1, 2].map((page) => ask('control.command.show', { command_id: 'm1', page })));
  const answered = pages.flatMap((page) => page.answered as { agent_id: string; response: { by: string } }[]);
  expect(answered.map(({ agent_id, response }) => [agent_id, response.by])).toEqual(ids.map((id) => [id, id]));
});

test('the commands of phase 2 reach the agent that they name', async () => {
  stack.nc.publish('agent.command', JSON.stringify({ command: 'input', agent_id: 'old-1', data: 'hello' }));
  stack.nc.publish('system.control', JSON.stringify({ command: 'stop', agent_id: 'old-1' }));
  const seen = () =>
    obeyed
      .filter(({ id }) => id === 'old-1')
      .map(({ verb, body }) => [verb, body.payload])
      .toSorted();
  await expect.poll(seen, WITHIN).toEqual([
    ['execute', { data: 'hello' }],
    ['shutdown', undefined],
  ]);
});

test('a broadcast goes to all, to a domain, or to the domains of a capability', async () => {
  const heard = await collect(stack.nc, 'broadcast.>');
  await ask('control.broadcast.send', { scope: 'global', event: 'e1', payload: { n: 1 }, by: 'kim' });
  await ask('control.broadcast.send', { scope: 'domain', domain: 'nlp', event: 'e2', by: 'kim' });
  await ask('control.broadcast.send', { scope: 'domain', capability: 'fleet', event: 'e3', payload: 'text', by: 'kim' });
  await expect
    .poll(() => heard.map(({ subject, body }) => [subject, body]), WITHIN)
    .toEqual([
      ['broadcast.global.e1', { n: 1 }],
      ['broadcast.domain.nlp.e2', ''],
      ['broadcast.domain.fleet.e3', 'text'],
    ]);
});

test('an emergency arrives while 10,000 commands are queued', async () => {
  const heard = await collect(stack.nc, 'broadcast.emergency.*');
  let answered = 0;
  stack.nc.subscribe('_INBOX.flood', { callback: () => void answered++ });
  // Answered at once: nobody is there.
  const command = JSON.stringify({ command: 'status', to: { domain: 'nobody' }, by: 'kim' });
  for (let n = 0; n < 10_000; n++) stack.nc.publish('control.command.send', command, { reply: '_INBOX.flood' });
  await ask('control.broadcast.emergency', { event: 'stop', payload: { why: 'cost' }, by: 'kim' });
  const queued = 10_000 - answered;
  await expect.poll(() => heard.map(({ body }) => body), WITHIN).toEqual([{ why: 'cost' }]);
  expect(queued).toBeGreaterThan(0);
});

test('a request to a role is answered by a healthy instance, with the bytes and the action as they were', async () => {
  const role = { name: 'summarizer', metadata: { addressed: true } };
  for (const id of ['sum-1', 'sum-2', 'sum-3']) await register(id, 'text', role);
  await expect.poll(async () => (await statesOf('text')).active?.length, WITHIN).toBe(3);
  await stack.publish('supervision.health.sum-3', { status: { state: 'unresponsive' }, agent_id: 'sum-3', type: 'health' });
  await expect.poll(() => ask('agents.discovery.resolve', { agent_id: 'sum-3' }), WITHIN).toMatchObject({ agent: { healthy: false } });
  const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => ask('agents.text.summarizer.shorten', { n })));
  expect(new Set(answers.map(({ by }) => by))).toEqual(new Set(['sum-1', 'sum-2']));
  expect(
    obeyed
      .filter(({ action }) => action === 'shorten')
      .map(({ body }) => body.n as number)
      .toSorted((a, b) => a - b),
  ).toEqual(answers.map((_, n) => n));
});

test('a role that nobody has is said, and agents that serve their role themselves are left alone', async () => {
  expect(await ask('agents.text.nobody.shorten')).toMatchObject({ error: { code: 'not_found' } });
  await register('own-1', 'own', { name: 'server' });
  await expect.poll(async () => (await find('own')).length, WITHIN).toBe(1);
  stack.nc.subscribe('agents.own.server.*', { queue: 'server', callback: (_, message) => void message.respond('{"served":true}') });
  const got = await stack.nc.requestMany('agents.own.server.act', '{}', { strategy: 'timer', maxWait: 1000 } as never);
  const answers: unknown[] = [];
  for await (const message of got) answers.push(message.json());
  expect([answers, obeyed.some(({ id }) => id === 'own-1')]).toEqual([[{ served: true }], false]);
});
