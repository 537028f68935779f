/** Where a binding begins, what a change of its settings does, and what a new epoch is. On a real server. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Delivery, Source } from '#infra/bridge/ports/ports.ts';
import { ensureDurable } from '#infra/bridge/sources/durable-consumer.ts';
import { type JetStreamSourceOptions, jetstreamSource } from '#infra/bridge/sources/jetstream-source.ts';
import type { From } from '#infra/bridge/sources/start-position.ts';
import { collector, startNats, type TestServer } from './bridge-nats.ts';

let server: TestServer;
let streams = 0;

beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server.stop());

/** A stream of five messages, 1 to 5; the third is older than `middle` and the fourth is not. */
const setup = async () => {
  streams += 1;
  const stream = `S${streams}`;
  const add = () => server.manager.streams.add({ name: stream, subjects: [`${stream}.>`] });
  const { created } = await add();
  const publish = async (...messages: string[]) => {
    for (const message of messages) await server.nc.request(`${stream}.e`, message);
  };
  await publish('1', '2', '3');
  const stored = (await server.manager.streams.getMessage(stream, { seq: 3 }))?.time.getTime() ?? 0;
  await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(stored + 1));
  const middle = new Date(stored + 1).toISOString();
  await publish('4', '5');
  const spec = { stream, durable: 'fn_events', subjects: [`${stream}.e`], ackWait: 30_000 };
  const open = async (more: Partial<JetStreamSourceOptions> = {}): Promise<Source> => {
    const source = await jetstreamSource({ nc: server.nc, ...spec, log: () => {}, ...more });
    onTestFinished(() => source.stop());
    return source;
  };
  const info = () => server.manager.consumers.info(stream, 'fn_events');
  return { stream, add, publish, middle, spec, open, info, origin: `${stream}@${Date.parse(created)}` };
};

/** Takes and settles what comes. */
const settling = (source: Source) => {
  const sink = collector();
  const deliver = (delivery: Delivery) => {
    sink.deliver(delivery);
    delivery.ack();
  };
  source.start({ ...sink, deliver });
  return sink;
};

describe('start: where a binding without a consumer begins', () => {
  it.each<[string, (middle: string) => From, string[], number]>([
    ['all', () => 'all', ['1', '2', '3', '4', '5', '6'], 1],
    ['new', () => 'new', ['6'], 6],
    ['a time', (middle) => ({ time: middle }), ['4', '5', '6'], 4],
    ['a sequence', () => ({ sequence: 3 }), ['3', '4', '5', '6'], 3],
  ])('%s', async (_, start, expected, first) => {
    const { open, publish, middle } = await setup();
    const source = await open({ start: start(middle) });
    const sink = settling(source);
    await publish('6');
    await vi.waitFor(() => expect(sink.data()).toEqual(expected));
    await expect.poll(() => source.readFloor()).toMatchObject({ sequence: 6, ...(first > 1 && { from: first }) });
  });

  it('is a matter of a consumer that is created: one that stands keeps its position', async () => {
    const { open, publish } = await setup();
    const before = await open();
    const sink = settling(before);
    await vi.waitFor(() => expect(sink.data()).toHaveLength(5));
    await expect.poll(async () => (await before.readFloor()).sequence).toBe(5);
    await before.stop();
    await publish('6');
    const after = settling(await open({ start: 'new' }));
    await publish('7');
    await vi.waitFor(() => expect(after.data()).toEqual(['6', '7']));
  });

  it('is not looked at when the consumer is deleted while the source runs: it goes on after what was settled', async () => {
    const { open, publish, stream } = await setup();
    const source = await open({ start: 'new' });
    const sink = settling(source);
    await publish('6');
    await vi.waitFor(() => expect(sink.data()).toEqual(['6']));
    await expect.poll(async () => (await source.readFloor()).sequence).toBe(6);
    await server.manager.consumers.delete(stream, 'fn_events');
    await publish('7');
    await vi.waitFor(() => expect(sink.data()).toEqual(['6', '7']), { timeout: 5000 });
  });
});

describe('the settings of a binding change: its consumer', () => {
  it('is updated in place, and keeps its position and its epoch', async () => {
    const { spec, info } = await setup();
    await ensureDurable(server.manager, { ...spec, start: { sequence: 3 }, epoch: 2 });
    const { created } = await info();
    await ensureDurable(server.manager, { ...spec, ackWait: 9000, subjects: [`${spec.stream}.e`, `${spec.stream}.f`], epoch: 2 });
    expect(await info()).toMatchObject({
      created,
      num_pending: 3,
      config: { ack_wait: 9e9, filter_subjects: [`${spec.stream}.e`, `${spec.stream}.f`], opt_start_seq: 3, metadata: { epoch: '2' } },
    });
  });

  it.each([
    ['is a push consumer', { deliver_subject: 'x', ack_policy: 'explicit' as const }],
    ['has the ack policy "all"', { ack_policy: 'all' as const }],
    ['has the replay policy "original"', { ack_policy: 'explicit' as const, replay_policy: 'original' as const }],
  ])('is refused with a sentence when it %s: the change would lose the position', async (what, config) => {
    const { open, stream, info } = await setup();
    await server.manager.consumers.add(stream, { durable_name: 'fn_events', ...config });
    const before = await info();
    await expect(open()).rejects.toThrow(
      `the consumer fn_events of the stream ${stream} ${what}, which cannot be changed without losing its position; delete it or rename the binding`,
    );
    expect((await info()).created).toBe(before.created);
  });

  it('is refused with the words of the server when that cannot be', async () => {
    await server.manager.streams.add({ name: 'QUEUE', subjects: ['queue.>'], retention: 'workqueue' });
    const opening = jetstreamSource({
      ...{ nc: server.nc, stream: 'QUEUE', durable: 'd', subjects: ['queue.a'], ackWait: 1000, log: () => {} },
      start: { sequence: 2 },
    });
    await expect(opening).rejects.toThrow(/^the consumer d of the stream QUEUE is refused by the server: .*work ?queue/);
  });
});

describe('a new epoch of a binding', () => {
  it('is another consumer under the same name, with another identity, and begins where the reset says', async () => {
    const { open, origin, info } = await setup();
    const first = await open();
    const sink = settling(first);
    await vi.waitFor(() => expect(sink.data()).toHaveLength(5));
    await first.stop();
    const second = await open({ epoch: 2, start: { sequence: 4, of: origin } });
    expect([first.consumer, second.consumer]).toEqual([`${origin}/fn_events.1`, `${origin}/fn_events.2`]);
    const replayed = settling(second);
    await vi.waitFor(() => expect(replayed.data()).toEqual(['4', '5']));
    expect((await info()).config.metadata).toMatchObject({ epoch: '2' });
  });

  it('is what is wanted after a crash between the deletion of the old consumer and the creation of the new one', async () => {
    const { open, origin, stream } = await setup();
    await (await open()).stop();
    await server.manager.consumers.delete(stream, 'fn_events');
    const source = await open({ epoch: 2, start: { sequence: 5, of: origin } });
    const sink = settling(source);
    await vi.waitFor(() => expect(sink.data()).toEqual(['5']));
    expect(source.consumer).toBe(`${origin}/fn_events.2`);
  });

  it('is not taken back by a bridge that does not know of it yet', async () => {
    const { open, origin } = await setup();
    await (await open({ epoch: 3 })).stop();
    expect((await open({ epoch: 2, start: 'new' })).consumer).toBe(`${origin}/fn_events.3`);
  });

  it('begins with the oldest message where the stream was made anew since the reset', async () => {
    const { open, origin, stream, add, publish } = await setup();
    await server.manager.streams.delete(stream);
    // The server tells streams apart by their time of creation.
    await add();
    await publish('a', 'b', 'c', 'd', 'e', 'f');
    const sink = settling(await open({ epoch: 2, start: { sequence: 4, of: origin } }));
    await vi.waitFor(() => expect(sink.data()).toEqual(['a', 'b', 'c', 'd', 'e', 'f']));
  });

  it('is one consumer when two bridges make it at the same time', async () => {
    const { open, origin } = await setup();
    await (await open()).stop();
    const reset = { epoch: 2, start: { sequence: 4, of: origin } };
    const both = await Promise.all([open(reset), open(reset), open({ epoch: 1 })]);
    const sinks = both.map(settling);
    await vi.waitFor(() => expect(sinks.flatMap((sink) => sink.data()).toSorted()).toEqual(['4', '5']), { timeout: 5000 });
  });
});
