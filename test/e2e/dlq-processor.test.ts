/** Dead letters end to end: kept, found, retried, replayed with a canary first, discarded, each with who did it. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { queueConsumer } from '#infra/bridge/queues/work-queue.ts';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 15_000, interval: 50 };
const FAILURES = 'supervision.failures.high';
/** Taken by one function, so that a bad message is one letter. */
const ESCALATIONS = 'supervision.escalation.1';

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack({ DLQ_RETRY_FIRST_MS: '300', DLQ_CANARY: '2', DLQ_CANARY_WAIT_MS: '1500' });
});
afterAll(() => stack.stop());

type Letter = { id: string; status: string; retries: number; nature: string; reason: { code: string }; group: string; bytes: number };

const ask = async <Answer>(verb: string, body: unknown): Promise<Answer> => {
  const message = await stack.nc.request(`control.dlq.${verb}`, JSON.stringify(body), { timeout: 5000 });
  const error = message.headers?.get('Nats-Service-Error');
  if (error) throw new Error(error);
  return message.json<Answer>();
};

const found = async (filter: object): Promise<Letter[]> => (await ask<{ letters: Letter[] }>('list', filter)).letters;
const operation = async (id: string) => (await ask<{ operation: Record<string, unknown> }>('show', { id })).operation;

const aFailure = (agent_id: string) => ({ agent_id, failure_type: 'process_crash', severity: 'high', event_id: `e-${agent_id}` });

/** What a bridge publishes when a function gave a message up. */
const bury = (body: unknown, code: string, sequence: number) => {
  const said = { Subject: FAILURES, Stream: 'SUPERVISION_EVENTS', Sequence: String(sequence), Function: 'failure-handler', Code: code };
  const head = headers();
  for (const [name, value] of Object.entries({ ...said, Attempts: '5', Reason: `${code} of record ${sequence}` }))
    head.set(`X-Dead-Letter-${name}`, value);
  head.set('Nats-Msg-Id', `dlq:SUPERVISION_EVENTS@1/failure-handler_failures.1:SUPERVISION_EVENTS@1:${sequence}:1`);
  stack.nc.publish(`dlq.${FAILURES}`, JSON.stringify(body), { headers: head });
};

test('what nobody can read is kept as poison, with its bytes, and found by subject, reason and day', async () => {
  await stack.publish(ESCALATIONS, 'no json at all');
  const today = new Date().toISOString().slice(0, 10);
  const by = [{ subject: ESCALATIONS }, { reason: 'not_json' }, { since: `${today}T00:00:00Z` }, { subject: 'supervision.>' }];
  for (const filter of by) await expect.poll(() => found(filter), WITHIN).toMatchObject([{ nature: 'poison', status: 'open', bytes: 14 }]);
  const [letter] = await found({ reason: 'not_json' });
  expect(await ask('show', { id: letter?.id })).toMatchObject({
    letter: { payload: 'no json at all', origin: { stream: 'SUPERVISION_EVENTS' }, history: [{ what: 'came', by: 'escalation' }] },
  });
});

test('a transient error is tried again by itself, with bytes too many for one item of the table', async () => {
  const recoveries = await collect(stack.nc, 'supervision.recovery.late-1');
  bury({ ...aFailure('late-1'), context: { dump: '"'.repeat(250_000) } }, 'table_unavailable', 1);
  await expect.poll(() => recoveries.length, WITHIN).toBe(1);
  expect(await found({ reason: 'table_unavailable' })).toMatchObject([{ nature: 'transient', status: 'replayed', retries: 1 }]);
});

test('a letter of a megabyte comes in parts and is one letter, too long to show', async () => {
  await stack.publish('supervision.escalation.2', 'x'.repeat(1_048_576 - 200));
  await expect.poll(() => found({ subject: 'supervision.escalation.2' }), WITHIN).toMatchObject([{ bytes: 1_048_376 }]);
  const [letter] = await found({ subject: 'supervision.escalation.2' });
  expect(await ask('show', { id: letter?.id })).toMatchObject({ letter: { payload: null, truncated: true } });
});

test('a replay of what is still poison stops at its canaries, and what came back is the same letter', async () => {
  const alerts = await collect(stack.nc, 'alerts.medium');
  for (const n of [1, 2, 3, 4]) await stack.publish('supervision.escalation.3', `bad ${n}`);
  const filter = { subject: 'supervision.escalation.3' };
  await expect.poll(async () => (await found(filter)).length, WITHIN).toBe(4);
  const { operation: begun } = await ask<{ operation: { id: string } }>('replay', { ...filter, by: 'kim' });
  await expect.poll(() => operation(begun.id), WITHIN).toMatchObject({ phase: 'stopped', taken: 2, by: 'kim', action: 'replay' });
  expect((await found(filter)).map(({ status, retries }) => [status, retries]).sort()).toEqual([
    ['open', 0],
    ['open', 0],
    ['open', 1],
    ['open', 1],
  ]);
  await expect.poll(() => alerts.map(({ body }) => body), WITHIN).toMatchObject([{ source: 'dlq-processor' }]);
});

test('a replay of what works by now goes on after its canaries', async () => {
  const recoveries = await collect(stack.nc, 'supervision.recovery.*');
  for (let n = 1; n <= 5; n++) bury(aFailure(`mended-${n}`), 'function_error', 100 + n);
  await expect.poll(async () => (await found({ reason: 'function_error' })).length, WITHIN).toBe(5);
  const { operation: begun } = await ask<{ operation: { id: string } }>('replay', { reason: 'function_error', by: 'kim' });
  await expect.poll(() => recoveries.length, WITHIN).toBe(2);
  await expect.poll(() => operation(begun.id), WITHIN).toMatchObject({ phase: 'done', taken: 5, skipped: {} });
  await expect.poll(() => recoveries.length, WITHIN).toBe(5);
});

test('the same error is one group, whatever it is about', async () => {
  const { groups } = await ask<{ groups: { code: string; reason: string; count: number }[] }>('list', { view: 'groups' });
  expect(groups.filter(({ code }) => code === 'function_error')).toMatchObject([{ count: 5, reason: 'function_error of record #' }]);
});

test('discarded letters stay where they are, and whoever discarded them is known', async () => {
  const head = headers();
  head.set('X-Agent-ID', 'operator-7');
  await stack.nc.request('control.dlq.discard', JSON.stringify({ subject: 'supervision.escalation.3' }), { headers: head, timeout: 5000 });
  const discarded = () => found({ subject: 'supervision.escalation.3', status: 'discarded' });
  await expect.poll(async () => (await discarded()).length, WITHIN).toBe(4);
  const { operations } = await ask<{ operations: object[] }>('list', { view: 'operations' });
  expect(operations).toContainEqual(expect.objectContaining({ action: 'discard', by: 'operator-7', phase: 'done', taken: 4 }));
});

test.each([
  ['replay', { by: 'kim' }, /condition.*"all": true/],
  ['discard', { by: 'kim' }, /condition.*"all": true/],
  ['replay', { all: true }, /by.*who asks/],
  ['show', { id: 'nothing' }, /nothing is kept/],
])('control.dlq.%s of %j is refused with a sentence', async (verb, body, sentence) => {
  await expect(ask(verb, body)).rejects.toThrow(sentence);
});

test("the server's word that a foreign consumer gave up is a letter without bytes", async () => {
  const advisory = {
    id: 'adv-1',
    timestamp: new Date().toISOString(),
    stream: 'ORDERS',
    consumer: 'billing',
    stream_seq: 7,
    deliveries: 5,
  };
  await stack.publish('$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.ORDERS.billing', advisory);
  await expect
    .poll(() => found({ reason: 'max_deliveries' }), WITHIN)
    .toMatchObject([{ bytes: null, origin: { stream: 'ORDERS', sequence: 7 } }]);
});

test('queued work that no worker acknowledges is one letter, with its bytes, and is queued again by a replay', async () => {
  const manager = await jetstreamManager(stack.nc);
  await manager.consumers.add('WORK_QUEUE', queueConsumer({ domain: 'nlp', priority: 'low' }));
  await stack.publish('work.nlp.low.parse', 'a job');
  const queue = await jetstream(stack.nc).consumers.get('WORK_QUEUE', 'work-nlp-low');
  for (let n = 0; n < 5; n++) (await queue.next({ expires: 1000 }))?.nak();
  // What was given back too often is not delivered again.
  expect(await queue.next({ expires: 1000 })).toBeNull();
  const letter = { reason: { code: 'max_deliveries' }, bytes: 5, status: 'open' };
  await expect.poll(() => found({ subject: 'work.nlp.low.parse' }), WITHIN).toMatchObject([letter]);
  expect(await found({ subject: '$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.WORK_QUEUE.*' })).toEqual([]);
  await ask('replay', { subject: 'work.nlp.low.parse', by: 'kim' });
  const again = await queue.next({ expires: 5000 });
  expect([again?.string(), again?.headers?.get('X-Retry-Count'), await again?.ackAck()]).toEqual(['a job', '1', true]);
});
