import { describe, expect, it } from 'vitest';
import { newAttached } from '#infra/bridge/dispatch/held.ts';
import { runStreamed } from '#infra/bridge/dispatch/streamed-reply.ts';
import { type Delivery, InvokeError, type Source } from '#infra/bridge/ports/ports.ts';
import type { Batch } from '#shared/contract.ts';
import { iso } from '#shared/iso.ts';
import { virtualTime } from '#test/sim/virtual-time.ts';
import { aDispatch, aHeld } from '#test/support/dispatch.ts';
import { aBinding, aRecord, noMetrics } from '#test/support/fake-ports.ts';

type Answer = Parameters<NonNullable<Delivery['respond']>>[0];
type Streams = (asked: Batch, call: number) => AsyncIterable<Uint8Array>;

const consumer = 'request@1/fn.tokens.b1';
const source: Source = {
  eventSource: 'nats:request',
  consumer,
  start() {},
  readFloor: async () => ({ sequence: 0, asOf: iso(0) }),
  stop: async () => {},
};

/**
 * Requests to a function that streams, with a timeout of 1000 ms, a margin of 500 ms and messages of at most 4 bytes. `heard`
 * is what the requesters and the source are told: the text of a part, a message with headers, `ack`.
 */
const ask = (
  stream: Streams,
  { requests = 1, closing = false, deadline }: { requests?: number; closing?: boolean; deadline?: number } = {},
) => {
  const time = virtualTime();
  const heard: unknown[] = [];
  const asked: Batch[] = [];
  const invokeStreamed = (_name: string, batch: Batch) => stream(batch, asked.push(batch));
  const invoker = { invoke: () => Promise.reject(new Error('it streams')), invokeStreamed };
  const publisher = { publish: async () => {}, setTimers: async () => {}, maxBytes: () => 4 };
  const d = aDispatch({ invoker, publisher, clock: time.clock() });
  const of = { ...newAttached(aBinding({ streamed: true }), source, noMetrics.binding('fn.tokens')), closing };
  const respond = (answer: Answer) => {
    const { data, ...rest } = { data: '', ...answer };
    const text = Buffer.from(data).toString();
    heard.push('headers' in rest ? { text, ...rest } : text);
  };
  const batch = Array.from({ length: requests }, (_, n) => {
    const said = { ack: () => void heard.push('ack'), nak() {}, working() {}, respond };
    return aHeld({ record: aRecord(n + 1), bytes: 2, receivedAt: 0, ...said, ...(deadline && { deadline }) }, consumer);
  });
  return { time, heard, asked, done: runStreamed(d, of, batch) };
};

const bytes = (text: string) => Buffer.from(text);
const badEnd = (message: string, code: string) => ({
  text: '',
  headers: { 'Nats-Service-Error': [expect.stringContaining(message)], 'Nats-Service-Error-Code': [code] },
});

describe('a streamed reply', () => {
  it('is a message a part, when it comes, and an empty one at the end', async () => {
    const gate = Promise.withResolvers<void>();
    const { time, heard, done } = ask(async function* () {
      yield bytes('one');
      await gate.promise;
      yield bytes('two');
    });
    await time.advance(10);
    expect(heard).toEqual(['one']);
    gate.resolve();
    await done;
    expect(heard).toEqual(['one', 'two', '', 'ack']);
  });

  it('is split where a part is more than a message may be, and no part ends it', async () => {
    const { heard, done } = ask(async function* () {
      yield bytes('');
      yield bytes('123456789');
    });
    await done;
    expect(heard).toEqual(['1234', '5678', '9', '', 'ack']);
  });

  it('is of one request: the next is invoked after it', async () => {
    const once: Streams = async function* ({ Records }) {
      yield bytes(Records.map(({ sequence }) => sequence).join());
    };
    const { heard, done } = ask(once, { requests: 2 });
    await done;
    expect(heard).toEqual(['1', '', 'ack', '2', '', 'ack']);
  });

  it('of an invocation that fails in the middle ends with an empty error, and is not tried again', async () => {
    const { heard, done, asked } = ask(async function* () {
      yield bytes('one');
      throw new InvokeError('unreachable', 'unreachable now');
    });
    await done;
    expect({ heard, calls: asked.length }).toEqual({ heard: ['one', badEnd('unreachable now', '500'), 'ack'], calls: 1 });
  });

  it('ends with an error when the function does not end it in time', async () => {
    const { time, heard, done } = ask(async function* () {
      yield bytes('one');
      await new Promise<never>(() => {});
    });
    await time.advance(1499);
    expect(heard).toEqual(['one']);
    await time.advance(1);
    await done;
    expect(heard).toEqual(['one', badEnd('timeout of 1000 ms', '504'), 'ack']);
  });
});

const throttledFor = (calls: number): Streams =>
  async function* (_batch, call) {
    if (call <= calls) throw new InvokeError('throttled', 'throttled now');
    yield bytes('one');
  };

describe('a request whose streaming function is throttled', () => {
  const start = virtualTime().now();

  it('is held and tried again, each time with a deadline of its own', async () => {
    const { time, heard, asked, done } = ask(throttledFor(2));
    await time.advance(1000);
    await done;
    expect(heard).toEqual(['one', '', 'ack']);
    expect(asked.map(({ deadline }) => Date.parse(deadline) - start)).toEqual([1000, 1100, 1350]);
  });

  it.each([
    ['the bridge lets go of the binding', { closing: true }, 1],
    ['nobody waits for it any more', { deadline: start + 50 }, 2],
  ])('is answered with the error once %s', async (_, over, calls) => {
    const { time, heard, asked, done } = ask(throttledFor(Number.POSITIVE_INFINITY), over);
    await time.advance(100);
    await done;
    expect({ heard, calls: asked.length }).toEqual({ heard: [badEnd('throttled now', '500'), 'ack'], calls });
  });
});
