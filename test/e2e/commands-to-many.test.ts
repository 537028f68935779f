/** Commands and checks to a fleet of 200, and an emergency while much is queued. */
import { headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { obedientAgents } from '#test/support/obedient-agents.ts';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 30_000, interval: 20 };

const FLEET = Array.from({ length: 200 }, (_, n) => `fleet-${String(n).padStart(3, '0')}`);

let stack: Stack;
let agents: ReturnType<typeof obedientAgents>;

beforeAll(async () => {
  stack = await setupStack();
  agents = obedientAgents(stack);
  await Promise.all(FLEET.map((id) => agents.register(id, 'fleet')));
  await vi.waitFor(async () => expect((await agents.statesOf('fleet')).active).toHaveLength(FLEET.length), WITHIN);
}, 60_000);
afterAll(() => stack.stop());

const ask = (...of: Parameters<typeof agents.ask>) => agents.ask(...of);

test('a command to a domain reaches each of 200 agents, once while they answer, and suspends them in the registry until they are resumed', async () => {
  const paused = await ask('control.command.send', { command_id: 'p1', command: 'pause', to: { domain: 'fleet' }, by: 'kim' });
  expect(paused).toMatchObject({ status: 'complete', counts: { targets: 200, answered: 200, missing: 0 }, missing: [] });
  expect(agents.sentTo('p1').toSorted()).toEqual(FLEET);
  expect((paused.answered as object[])[7]).toEqual({ agent_id: 'fleet-007', response: { status: 'ok', by: 'fleet-007' } });
  await expect.poll(async () => (await agents.statesOf('fleet')).suspended?.length, WITHIN).toBe(200);
  await ask('control.command.send', { command: 'resume', to: { capability: 'fleet' }, by: 'kim' });
  await expect.poll(async () => (await agents.statesOf('fleet')).active?.length, WITHIN).toBe(200);
});

test('health.check.all gathers the word of every agent, and who is missing, before its requester leaves', async () => {
  await agents.register('dead-3', 'sick');
  await expect.poll(async () => (await agents.find('sick')).length, WITHIN).toBe(1);
  const options = { timeout: 20_000, headers: headers() };
  options.headers.set('X-Deadline', new Date(Date.now() + 6000).toISOString());
  const [message, sick] = await Promise.all([
    stack.nc.request('health.check.all', '', options),
    ask('control.health.check', { domain: 'sick' }),
  ]);
  const answer = message.json<{ agents: object[]; missing: string[] }>();
  expect(answer.missing).toContain('dead-3');
  expect(answer.agents).toEqual(expect.arrayContaining(FLEET.map((agent_id) => ({ agent_id, status: 'ready' }))));
  expect(sick).toMatchObject({ agents: [], missing: ['dead-3'] });
});

test('a fan-out to more agents than fit a page is sent page by page, and answered in pages', async () => {
  const ids = Array.from({ length: 1234 }, (_, n) => `many-${n}`);
  const answer = await ask(
    'control.command.send',
    { command_id: 'm1', command: 'status', to: { agent_ids: ids }, timeout_ms: 60_000, by: 'kim' },
    70_000,
  );
  expect(answer).toMatchObject({ status: 'complete', counts: { targets: 1234, answered: 1234 }, pages: 3 });
  expect(new Set(agents.sentTo('m1'))).toEqual(new Set(ids));
  const pages = await Promise.all([0, 1, 2].map((page) => ask('control.command.show', { command_id: 'm1', page })));
  const answered = pages.flatMap((page) => page.answered as { agent_id: string; response: { by: string } }[]);
  expect(answered.map(({ agent_id, response }) => [agent_id, response.by])).toEqual(ids.map((id) => [id, id]));
});

test('an emergency arrives while commands and other broadcasts are queued', async () => {
  const heard = await collect(stack.nc, 'broadcast.emergency.*');
  let answered = 0;
  stack.nc.subscribe('_INBOX.flood', { callback: () => void answered++ });
  // Nobody is there: the table says so.
  const command = JSON.stringify({ command: 'status', to: { domain: 'nobody' }, by: 'kim' });
  const event = JSON.stringify({ scope: 'domain', capability: 'nothing', event: 'e1', by: 'kim' });
  for (let n = 0; n < 2000; n++) {
    stack.nc.publish('control.command.send', command, { reply: '_INBOX.flood' });
    stack.nc.publish('control.broadcast.send', event, { reply: '_INBOX.flood' });
  }
  await ask('control.broadcast.emergency', { event: 'stop', payload: { why: 'cost' }, by: 'kim' });
  const queued = 4000 - answered;
  await expect.poll(() => heard.map(({ body }) => body), WITHIN).toEqual([{ why: 'cost' }]);
  expect(queued).toBeGreaterThan(2000);
});
