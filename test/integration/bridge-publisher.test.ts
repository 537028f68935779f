import { DiscardPolicy } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Outgoing, PublishError } from '#infra/bridge/ports/ports.ts';
import { natsPublisher } from '#infra/bridge/publish/nats-publisher.ts';
import { startNats, type TestServer } from './bridge-nats.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startNats();
  await server.manager.streams.add({ name: 'EVENTS', subjects: ['events.>'] });
});
afterAll(() => server.stop());

const setup = (nc = server.nc) => {
  const publisher = natsPublisher({ nc });
  onTestFinished(() => publisher.close());
  return publisher;
};
let ids = 0;
const outgoing = (subject: string, data: string | Uint8Array = 'x', rest: Partial<Outgoing> = {}): Outgoing => {
  ids += 1;
  return { subject, data, messageId: `m${ids}`, ...rest };
};
const stored = async (subject: string) =>
  (await server.manager.streams.info('EVENTS', { subjects_filter: subject })).state.subjects?.[subject] ?? 0;
const failure = (publishing: Promise<void>) =>
  publishing.then(
    () => undefined,
    (error: PublishError) => ({ error: error instanceof PublishError, retryable: error.retryable, message: error.message }),
  );

describe('publishing to a stream', () => {
  it('resolves when everything is stored, with headers and id', async () => {
    await setup().publish([outgoing('events.a', 'one', { headers: { 'X-Tag': ['a', 'b'] }, messageId: 'id-a' })]);
    const message = await server.manager.streams.getMessage('EVENTS', { last_by_subj: 'events.a' });
    expect({ data: message?.string(), headers: Object.fromEntries(message?.header ?? []) }).toEqual({
      data: 'one',
      headers: { 'X-Tag': ['a', 'b'], 'Nats-Msg-Id': ['id-a'] },
    });
  });

  it('stores the same message id once', async () => {
    const publisher = setup();
    const message = outgoing('events.same');
    await publisher.publish([message, message]);
    await publisher.publish([message]);
    expect(await stored('events.same')).toBe(1);
  });

  it('keeps the order of 5,000 messages of one call', async () => {
    await setup().publish(Array.from({ length: 5000 }, (_, n) => outgoing(`events.order`, String(n))));
    const last = await server.manager.streams.getMessage('EVENTS', { last_by_subj: 'events.order' });
    expect({ count: await stored('events.order'), last: last?.string() }).toEqual({ count: 5000, last: '4999' });
  });

  it('knows a stream that was created later', async () => {
    const publisher = setup();
    await publisher.publish([outgoing('later.a')]);
    await server.manager.streams.add({ name: 'LATER', subjects: ['later.>'] });
    await publisher.refresh();
    await publisher.publish([outgoing('later.a')]);
    expect((await server.manager.streams.info('LATER')).state.messages).toBe(1);
  });

  it('is held back while its stream is missing, and stored when the stream is back', async () => {
    await server.manager.streams.add({ name: 'MOVED', subjects: ['moved.>'] });
    const publisher = setup();
    const message = outgoing('moved.a');
    await publisher.refresh();
    await server.manager.streams.delete('MOVED');
    expect(await failure(publisher.publish([message]))).toMatchObject({
      retryable: true,
      message: expect.stringContaining('moved.a: nothing answers there'),
    });
    await publisher.refresh();
    expect(await failure(publisher.publish([message]))).toMatchObject({
      retryable: true,
      message: expect.stringContaining('moved.a: the stream MOVED, which stores this subject, is gone'),
    });
    await server.manager.streams.add({ name: 'MOVED', subjects: ['moved.>'] });
    await vi.waitFor(() => publisher.publish([message]));
    expect((await server.manager.streams.info('MOVED')).state.messages).toBe(1);
  });

  it('waits for the answer of the stream when somebody else answers first', async () => {
    const eager = server.nc.subscribe('events.eager', { callback: (_, msg) => void msg.respond('hello') });
    onTestFinished(() => eager.unsubscribe());
    await setup().publish([outgoing('events.eager')]);
    expect(await stored('events.eager')).toBe(1);
  });

  it('is refused for good where a request would be stored', async () => {
    expect(await failure(setup().publish([outgoing('events.request', 'x', { reply: 'somewhere' })]))).toMatchObject({
      retryable: false,
      message: 'events.request: a stream stores this subject, so a request cannot be sent there; remove `reply`',
    });
  });
});

describe('publishing where no stream stores', () => {
  it('has left for the server when it resolves, with reply and without an id', async () => {
    const received = server.nc.subscribe('core.a', { max: 1 });
    await setup().publish([outgoing('core.a', 'hello', { reply: 'core.answers' })]);
    for await (const msg of received)
      expect({ data: msg.string(), reply: msg.reply, headers: msg.headers }).toEqual({
        data: 'hello',
        reply: 'core.answers',
        headers: undefined,
      });
  });

  it('answers an inbox', async () => {
    const publisher = setup();
    const service = server.nc.subscribe('ask', {
      max: 1,
      callback: (_, msg) => void publisher.publish([outgoing(msg.reply ?? '', 'later')]),
    });
    expect((await server.nc.request('ask')).string()).toBe('later');
    service.unsubscribe();
  });
});

describe('a publish that fails', () => {
  it('may succeed later when the stream is full', async () => {
    await server.manager.streams.add({ name: 'FULL', subjects: ['full.>'], max_msgs: 1, discard: DiscardPolicy.New });
    const publishing = setup().publish([outgoing('full.a'), outgoing('full.a')]);
    expect(await failure(publishing)).toEqual({
      error: true,
      retryable: true,
      message: 'full.a: the server refused it: maximum messages exceeded (10077)',
    });
  });

  it('may succeed later when a work queue has its fill of one subject', async () => {
    const limits = { max_msgs_per_subject: 1, discard: DiscardPolicy.New, discard_new_per_subject: true };
    await server.manager.streams.add({ name: 'WORK', subjects: ['work.>'], ...limits });
    const publisher = setup();
    await publisher.publish([outgoing('work.a'), outgoing('work.b')]);
    expect(await failure(publisher.publish([outgoing('work.a')]))).toMatchObject({ retryable: true });
  });

  it.each([
    ['larger than the server takes', () => outgoing('events.big', new Uint8Array((server.nc.info?.max_payload ?? 0) + 1)), 'max_payload'],
    ['for a wildcard', () => outgoing('events.*'), '"events.*" is no subject to publish to'],
    ['for a subject with a space', () => outgoing('events.a b'), '"events.a b" is no subject to publish to'],
    ['for an empty token', () => outgoing('events..a'), '"events..a" is no subject to publish to'],
    [
      'with a line break in a header',
      () => outgoing('events.a', 'x', { headers: { 'X-A': ['1\r\nX-B: 2'] } }),
      'the header X-A has a line break',
    ],
    ['with a header name of two words', () => outgoing('events.a', 'x', { headers: { 'X A': ['1'] } }), 'the header name "X A"'],
  ])('never succeeds %s', async (_, make, message) => {
    expect(await failure(setup().publish([make()]))).toEqual({ error: true, retryable: false, message: expect.stringContaining(message) });
  });

  it('never succeeds when it is larger than the stream takes', async () => {
    await server.manager.streams.add({ name: 'SMALL', subjects: ['small.>'], max_msg_size: 10 });
    expect(await failure(setup().publish([outgoing('small.a', 'x'.repeat(20))]))).toMatchObject({
      retryable: false,
      message: expect.stringContaining('10054'),
    });
  });

  it('never succeeds where the server does not allow it', async () => {
    const guarded = await startNats(
      'authorization { users: [{ user: test, password: test, permissions: { publish: { deny: ["events.secret"] } } }] }',
    );
    onTestFinished(() => guarded.stop());
    await guarded.manager.streams.add({ name: 'EVENTS', subjects: ['events.>'] });
    const publishing = setup(guarded.nc).publish([outgoing('events.secret')]);
    expect(await failure(publishing)).toEqual({
      error: true,
      retryable: false,
      message: 'events.secret: the server does not allow this publish',
    });
  });

  it('tells the failure that no retry can mend, and the rest is stored all the same', async () => {
    const publishing = setup().publish([outgoing('full.b'), outgoing('bad.*'), outgoing('events.rest')]);
    expect(await failure(publishing)).toMatchObject({ retryable: false });
    expect(await stored('events.rest')).toBe(1);
  });

  it('may succeed later when the server dies under it, and then does, once', async () => {
    const victim = await startNats();
    onTestFinished(() => victim.stop());
    await victim.manager.streams.add({ name: 'EVENTS', subjects: ['events.>'] });
    const publisher = setup(victim.nc);
    const messages = Array.from({ length: 500 }, () => outgoing('events.a'));
    await publisher.publish(messages.slice(0, 100));
    const crash = victim.crash();
    const failures: unknown[] = [];
    await vi.waitFor(() => publisher.publish(messages).catch((error) => Promise.reject(failures.push(error.retryable))), {
      timeout: 15_000,
    });
    await crash;
    expect(new Set(failures)).toEqual(new Set([true]));
    expect((await victim.manager.streams.info('EVENTS')).state.messages).toBe(500);
  }, 30_000);
});

it('says how large a message may be', () => {
  expect(setup().maxBytes()).toBe(server.nc.info?.max_payload);
});
