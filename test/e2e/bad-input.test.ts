/** Bad input ends in a dead letter or an error reply with a sentence; the rest of the batch is unharmed, nothing is lost. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 10_000, interval: 20 };

let stack: Stack;
let letters: Awaited<ReturnType<typeof collect>>;
beforeAll(async () => {
  stack = await setupStack();
  letters = await collect(stack.nc, 'dlq.>');
});
afterAll(() => stack.stop());

/** Dead letters of one function: a message that several functions read is given up on by each of them. */
const deadOf = (...functions: string[]) => letters.filter(({ headers }) => functions.includes(headers['X-Dead-Letter-Function'] ?? ''));
const dead = () => deadOf('failure-handler', 'bridge');

/** Publishes, then a good message behind it, and answers the dead letter once both are through. */
const bury = async (subject: string, data: string) => {
  const agent_id = `good-${dead().length}`;
  const recoveries = await collect(stack.nc, `supervision.recovery.${agent_id}`);
  const before = dead().length;
  await stack.publish(subject, data);
  await stack.publish('supervision.failures.high', { agent_id, failure_type: 'process_crash', severity: 'high' });
  await expect.poll(() => [dead().length, recoveries.length], WITHIN).toEqual([before + 1, 1]);
  const letter = dead().at(-1);
  return {
    subject: letter?.subject,
    text: letter?.text,
    code: letter?.headers['X-Dead-Letter-Code'],
    reason: letter?.headers['X-Dead-Letter-Reason'],
  };
};

test('not JSON', async () => {
  expect(await bury('supervision.failures.high', 'no json')).toEqual({
    subject: 'dlq.supervision.failures.high',
    text: 'no json',
    code: 'not_json',
    reason: expect.stringContaining('JSON'),
  });
});

test('a body of another shape names the field', async () => {
  const { reason } = await bury('supervision.failures.high', '{"agent_id":"a","failure_type":"bad_mood","severity":"high"}');
  expect(reason).toMatch(/failure_type/);
});

test('an empty body', async () => {
  expect((await bury('supervision.failures.high', '')).subject).toBe('dlq.supervision.failures.high');
});

test('a severity that does not exist names itself', async () => {
  const { reason } = await bury('supervision.failures.extreme', '{"agent_id":"a","failure_type":"process_crash","severity":"extreme"}');
  expect(reason).toMatch(/extreme/);
});

test('a verb that nobody knows is unrouted', async () => {
  expect(await bury('supervision.failurez.high', '{}')).toMatchObject({ subject: 'dlq.supervision.failurez.high', code: 'unrouted' });
});

test('a type of task that does not exist is unrouted, and named with those that do', async () => {
  expect(await bury('coordination.tasks.bogus', '{"task_id":"t1"}')).toEqual({
    subject: 'dlq.coordination.tasks.bogus',
    text: '{"task_id":"t1"}',
    code: 'unrouted',
    reason:
      'coordination_type "bogus" in the subject of coordination.tasks.<coordination_type> does not exist: use one of assignment, broadcast, pipeline, parallel, map_reduce',
  });
});

test('an id with a dot is unrouted', async () => {
  expect(await bury('scatter.one.two.task', '{}')).toMatchObject({ subject: 'dlq.scatter.one.two.task', code: 'unrouted' });
});

test('a heartbeat that cannot be read is dead-lettered too, though no stream keeps heartbeats', async () => {
  stack.nc.publish('agent.a1.heartbeat', '{"status":"dancing"}');
  await expect
    .poll(() => deadOf('agent-registry').map(({ subject, text, headers }) => [subject, text, headers['X-Dead-Letter-Code']]), WITHIN)
    .toEqual([['dlq.agent.a1.heartbeat', '{"status":"dancing"}', 'invalid_body']]);
});

test('a body as large as the server takes is dead-lettered in parts, for the reason needs room too', async () => {
  const before = dead().length;
  const data = 'x'.repeat(1_048_576 - 200);
  await stack.publish('supervision.failures.high', data);
  await expect.poll(() => dead().length, WITHIN).toBe(before + 2);
  const parts = dead().slice(before);
  expect(parts.map(({ headers }) => headers['X-Dead-Letter-Part'])).toEqual(['1/2', '2/2']);
  expect(parts.map(({ text }) => text).join('')).toBe(data);
});

/** A client that writes the protocol by hand: libraries refuse to send such a header. */
const publishRaw = async (subject: string, headers: string, body: string): Promise<void> => {
  const { hostname, port } = new URL(stack.url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'data');
  const head = `NATS/1.0\r\n${headers}\r\n\r\n`;
  socket.write(
    `CONNECT {"headers":true,"verbose":false}\r\nHPUB ${subject} ${head.length} ${head.length + body.length}\r\n${head}${body}\r\nPING\r\n`,
  );
  await once(socket, 'data');
  socket.destroy();
};

test('headers that are none are not read, and everything goes on', async () => {
  await publishRaw('agent.a1.heartbeat', 'a b: c', '{}');
  const recoveries = await collect(stack.nc, 'supervision.recovery.raw-1');
  await publishRaw('supervision.failures.high', 'a b: c', '{"agent_id":"raw-1","failure_type":"process_crash","severity":"high"}');
  await expect.poll(() => recoveries.length, WITHIN).toBe(1);
});

test('an envelope that is nested too deep to be opened is no envelope', async () => {
  const data = '['.repeat(6000) + ']'.repeat(6000);
  const { subject } = await bury('supervision.failures.high', `{"specversion":"1.0","id":"1","source":"s","type":"t","data":${data}}`);
  expect(subject).toBe('dlq.supervision.failures.high');
});

test('a request that nobody answers gets a sentence', async () => {
  const answer = await stack.nc.request('control.gather.pgae', '{}', { timeout: 5000 });
  expect(answer.json<{ error: { message: string } }>().error.message).toMatch(/control\.gather\.pgae.*control\.gather\.page/);
});

test('a request of the wrong shape gets a sentence', async () => {
  const answer = await stack.nc.request('control.gather.page', '{"page":"first"}', { timeout: 5000 });
  expect(answer.headers?.get('Nats-Service-Error')).toMatch(/request_id|page/);
});
