import { DiscardPolicy, type StreamConfig } from '@nats-io/jetstream';
import { connect, headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import type { Outgoing, PublishError } from '#infra/bridge/ports/ports.ts';
import { natsPublisher } from '#infra/bridge/publish/nats-publisher.ts';
import { type Clock, systemClock } from '#shared/clock.ts';
import { startNats, type TestServer } from './bridge-nats.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server.stop());

/** A stream for the subjects `<name>.>`, and a publisher. */
const setup = async (name: string, config: Partial<StreamConfig> = {}) => {
  await server.manager.streams.add({ name, subjects: [`${name}.>`], allow_atomic: true, ...config });
  const publisher = natsPublisher({ nc: server.nc });
  onTestFinished(() => publisher.close());
  return publisher;
};
const outgoing = (stream: string, count: number, rest: Partial<Outgoing> = {}): Outgoing[] =>
  Array.from({ length: count }, (_, n) => ({ subject: `${stream}.a`, data: String(n), messageId: `${stream}-${n}`, ...rest }));
const info = (stream: string) => server.manager.streams.info(stream).then(({ state }) => state);
/** The data and the batch of what a stream stores, in order. */
const stored = async (stream: string) => {
  const { first_seq, last_seq } = await info(stream);
  const all = [];
  for (let seq = Math.max(first_seq, 1); seq <= last_seq; seq++) {
    const message = await server.manager.streams.getMessage(stream, { seq });
    all.push({ data: message?.string(), inBatch: Boolean(message?.header.get('Nats-Batch-Id')) });
  }
  return all;
};
const numbers = (count: number, inBatch: boolean) => Array.from({ length: count }, (_, n) => ({ data: String(n), inBatch }));
const failure = (publishing: Promise<void>) =>
  publishing.then(
    () => undefined,
    ({ retryable, message }: PublishError) => ({ retryable, message }),
  );

it('a batch lands whole and in order', async () => {
  const publisher = await setup('WHOLE');
  await publisher.publish(outgoing('WHOLE', 30));
  expect(await stored('WHOLE')).toEqual(numbers(30, true));
});

it('the ids of a batch are known afterwards', async () => {
  const publisher = await setup('KNOWN');
  await publisher.publish(outgoing('KNOWN', 30));
  await publisher.publish(outgoing('KNOWN', 30, { again: true }));
  expect((await info('KNOWN')).messages).toBe(30);
});

it('with an id that the stream knows it goes one by one, and each is stored once', async () => {
  const publisher = await setup('DUPLICATE');
  await publisher.publish(outgoing('DUPLICATE', 1));
  await publisher.publish(outgoing('DUPLICATE', 30));
  expect(await stored('DUPLICATE')).toEqual(numbers(30, false));
});

it('with the same id twice it goes one by one, and each is stored once', async () => {
  const publisher = await setup('TWICE');
  await publisher.publish([...outgoing('TWICE', 30), ...outgoing('TWICE', 30)]);
  expect(await stored('TWICE')).toEqual(numbers(30, false));
});

it('what may have been stored before goes one by one', async () => {
  const publisher = await setup('AGAIN');
  const [first, ...rest] = outgoing('AGAIN', 30) as [Outgoing, ...Outgoing[]];
  await publisher.publish([{ ...first, again: true }, ...rest]);
  expect(await stored('AGAIN')).toEqual(numbers(30, false));
});

it('few messages go one by one', async () => {
  const publisher = await setup('FEW');
  await publisher.publish(outgoing('FEW', 5));
  expect(await stored('FEW')).toEqual(numbers(5, false));
});

it('an answer that was lost may succeed later, and then stores nothing twice', async () => {
  const publisher = await setup('LOST');
  const nc = await connect({ port: server.nc.info?.port ?? 0 });
  const subscribe = nc.subscribe.bind(nc);
  // The publisher's inbox.
  vi.spyOn(nc, 'subscribe').mockImplementationOnce((subject) => subscribe(subject, { callback: () => undefined }));
  const hurried: Clock = { now: () => Date.now() * 50, after: (ms, then) => systemClock.after(ms / 50, then) };
  const deaf = natsPublisher({ nc, clock: hurried });
  onTestFinished(async () => {
    deaf.close();
    await nc.close();
  });
  expect(await failure(deaf.publish(outgoing('LOST', 30)))).toEqual({
    retryable: true,
    message: 'LOST.a: its batch was not confirmed: LOST.a: no answer from the server within 5000 ms',
  });
  await publisher.publish(outgoing('LOST', 30, { again: true }));
  expect(await stored('LOST')).toEqual(numbers(30, true));
});

it('a stream that takes no batches gets its messages one by one', async () => {
  const publisher = await setup('PLAIN', { allow_atomic: false });
  await publisher.publish(outgoing('PLAIN', 30));
  expect(await stored('PLAIN')).toEqual(numbers(30, false));
});

it('a stream that takes no batches any more gets its messages one by one', async () => {
  const publisher = await setup('SWITCHED');
  await publisher.refresh();
  await server.manager.streams.update('SWITCHED', { allow_atomic: false });
  await publisher.publish(outgoing('SWITCHED', 30));
  expect(await stored('SWITCHED')).toEqual(numbers(30, false));
});

it('a full stream holds back what it has no room for', async () => {
  const publisher = await setup('FULL', { max_msgs: 25, discard: DiscardPolicy.New });
  expect(await failure(publisher.publish(outgoing('FULL', 30)))).toEqual({
    retryable: true,
    message: 'FULL.a: the server refused it: maximum messages exceeded (10077)',
  });
  await server.manager.streams.purge('FULL');
  await publisher.publish(outgoing('FULL', 30).slice(25));
  expect((await info('FULL')).messages).toBe(5);
});

it('a missing stream holds back', async () => {
  const publisher = await setup('MISSING');
  await publisher.refresh();
  await server.manager.streams.delete('MISSING');
  expect(await failure(publisher.publish(outgoing('MISSING', 30)))).toEqual({
    retryable: true,
    message: expect.stringMatching(/^MISSING.a: its batch was not confirmed: MISSING.a: nothing answers there/),
  });
  await server.manager.streams.add({ name: 'MISSING', subjects: ['MISSING.>'], allow_atomic: true });
  await vi.waitFor(() => publisher.publish(outgoing('MISSING', 30)));
  expect(await stored('MISSING')).toEqual(numbers(30, true));
});

it.each([
  ['a message larger than the stream takes', 'LARGE', { data: 'x'.repeat(1000) }, /message size exceeds maximum/],
  ['a message larger than the server takes', 'HUGE', { data: 'x'.repeat(2 ** 20) }, /max_payload/],
  ['a header that cannot be sent', 'HEADER', { headers: { 'X A': ['1'] } }, /the header name "X A"/],
  ['a sequence that was not expected', 'SEQUENCE', { headers: { 'Nats-Expected-Last-Subject-Sequence': ['77'] } }, /wrong last sequence/],
])('%s never succeeds, and what is with it is stored', async (_, stream, wrong, message) => {
  const publisher = await setup(stream, { max_msg_size: 500 });
  const messages = [...outgoing(stream, 30), { subject: `${stream}.wrong`, data: '', messageId: `${stream}-wrong`, ...wrong }];
  expect(await failure(publisher.publish(messages.reverse()))).toEqual({
    retryable: false,
    message: expect.stringMatching(new RegExp(`^${stream}.wrong: .*${message.source}`)),
  });
  expect((await info(stream)).messages).toBe(30);
});

it('more messages than a batch takes are all stored, in order', async () => {
  const publisher = await setup('MANY');
  await publisher.publish(outgoing('MANY', 2500));
  const first = await server.manager.streams.getMessage('MANY', { seq: 1 });
  const last = await server.manager.streams.getMessage('MANY', { last_by_subj: 'MANY.a' });
  expect([first?.string(), last?.string(), (await info('MANY')).messages]).toEqual(['0', '2499', 2500]);
});

it('all of 200 calls at the same time are stored', async () => {
  const publisher = await setup('CALLS');
  const call = (n: number) => outgoing('CALLS', 25).map((one) => ({ ...one, messageId: `${n}-${one.messageId}` }));
  await Promise.all(Array.from({ length: 200 }, (_, n) => publisher.publish(call(n))));
  expect((await info('CALLS')).messages).toBe(5000);
});

it('goes one by one while others have as many batches open as the stream takes', async () => {
  const publisher = await setup('BUSY');
  for (let n = 0; n < 50; n++) {
    const opening = headers();
    opening.set('Nats-Batch-Id', `open-${n}`);
    opening.set('Nats-Batch-Sequence', '1');
    server.nc.publish('BUSY.other', '', { headers: opening });
  }
  await publisher.publish(outgoing('BUSY', 30));
  expect(await stored('BUSY')).toEqual(numbers(30, false));
});

it('what came in a batch may be handed on with its headers', async () => {
  const publisher = await setup('ONWARD');
  const handedOn = { 'Nats-Batch-Id': ['b'], 'Nats-Batch-Sequence': ['7'], 'X-Tag': ['a'] };
  await publisher.publish(outgoing('ONWARD', 1, { headers: handedOn }));
  const message = await server.manager.streams.getMessage('ONWARD', { seq: 1 });
  expect(Object.fromEntries(message?.header ?? [])).toEqual({ 'X-Tag': ['a'], 'Nats-Msg-Id': ['ONWARD-0'] });
});

it('a server that dies under batches has each message once in the end', async () => {
  const victim = await startNats();
  onTestFinished(() => victim.stop());
  await victim.manager.streams.add({ name: 'DYING', subjects: ['DYING.>'], allow_atomic: true });
  const publisher = natsPublisher({ nc: victim.nc });
  onTestFinished(() => publisher.close());
  await publisher.publish(outgoing('DYING', 100));
  const calls = Array.from({ length: 20 }, (_, n) => outgoing('DYING', 100).map((one) => ({ ...one, messageId: `${n}-${one.messageId}` })));
  const first = calls.map((call) => failure(publisher.publish(call)));
  await victim.crash();
  const failures = (await Promise.all(first)).filter((one) => one !== undefined);
  for (const call of calls) await vi.waitFor(() => publisher.publish(call.map((one) => ({ ...one, again: true }))), { timeout: 15_000 });
  expect(failures.every(({ retryable }) => retryable)).toBe(true);
  expect((await victim.manager.streams.info('DYING')).state.messages).toBe(2100);
}, 30_000);
