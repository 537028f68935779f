import { RetentionPolicy } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Delivery } from '#infra/bridge/ports/ports.ts';
import { jetstreamSource } from '#infra/bridge/sources/jetstream-source.ts';
import { collector, startNats, type TestServer } from './bridge-nats.ts';

let server: TestServer;
let sentences: string[] = [];
let streams = 0;

beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server.stop());

const setup = async ({ subjects = ['>'], ackWait = 30_000 }: { subjects?: string[]; ackWait?: number } = {}) => {
  streams += 1;
  sentences = [];
  const stream = `S${streams}`;
  const root = `s${streams}`;
  const create = () => server.manager.streams.add({ name: stream, subjects: [`${root}.>`] });
  const { created } = await create();
  const open = async (filters = subjects) => {
    const options = { nc: server.nc, stream, durable: 'fn_events', ackWait, log: (sentence: string) => void sentences.push(sentence) };
    const source = await jetstreamSource({ ...options, subjects: filters.map((filter) => `${root}.${filter}`) });
    onTestFinished(() => source.stop());
    return source;
  };
  const publish = async (...messages: string[]) => {
    for (const message of messages) server.nc.publish(`${root}.e`, message);
    await server.nc.flush();
  };
  return { stream, root, create, origin: `${stream}@${Date.parse(created)}`, open, publish, source: await open(), sink: collector() };
};

describe('a JetStream source', () => {
  it('delivers a record as the contract says', async () => {
    const { source, sink, publish, origin, root } = await setup();
    source.start(sink);
    await publish('hello');
    await vi.waitFor(() => expect(sink.deliveries).toHaveLength(1));
    const { record } = sink.deliveries[0] as (typeof sink.deliveries)[0];
    expect(record).toEqual({
      id: `${origin}:1:${Date.parse(record.timestamp)}`,
      subject: `${root}.e`,
      data: 'hello',
      encoding: 'utf8',
      headers: {},
      sequence: 1,
      deliveries: 1,
      timestamp: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/),
    });
    expect(source.consumer).toBe(`${origin}/fn_events.1`);
  });

  it('carries headers with all their values, and bytes that are no UTF-8 as base64', async () => {
    const { source, sink, root } = await setup();
    const h = headers();
    h.append('X-Tag', 'a');
    h.append('X-Tag', 'b');
    server.nc.publish(`${root}.e`, Uint8Array.of(0xff, 0x00), { headers: h });
    source.start(sink);
    await vi.waitFor(() => expect(sink.deliveries).toHaveLength(1));
    expect(sink.deliveries[0]).toMatchObject({ record: { data: '/wA=', encoding: 'base64', headers: { 'X-Tag': ['a', 'b'] } }, bytes: 22 });
  });

  it('delivers again after the delay of a nak, not before', async () => {
    const { source, sink, publish } = await setup();
    source.start(sink);
    await publish('x');
    await vi.waitFor(() => expect(sink.deliveries).toHaveLength(1));
    const nakAt = Date.now();
    sink.deliveries[0]?.nak(300);
    await vi.waitFor(() => expect(sink.deliveries).toHaveLength(2), { timeout: 5000 });
    expect(sink.deliveries[1]?.record.deliveries).toBe(2);
    expect(Date.now() - nakAt).toBeGreaterThanOrEqual(300);
  });

  it('delivers again what is silent for an ack wait, but not what is still at work', async () => {
    const { source, sink, publish } = await setup({ ackWait: 400 });
    source.start(sink);
    await publish('at work', 'silent');
    await vi.waitFor(() => expect(sink.deliveries).toHaveLength(2));
    const working = setInterval(() => sink.deliveries[0]?.working(), 50);
    await vi.waitFor(() => expect(sink.data()).toEqual(['at work', 'silent', 'silent', 'silent']), { timeout: 5000 });
    clearInterval(working);
  });

  it('has a floor that stops below the oldest open message, at the time of the server', async () => {
    const { source, sink, publish } = await setup();
    source.start(sink);
    await publish('a', 'b', 'c');
    await vi.waitFor(() => expect(sink.deliveries).toHaveLength(3));
    expect((await source.readFloor()).sequence).toBe(0);
    sink.deliveries[0]?.ack();
    sink.deliveries[2]?.ack();
    await expect.poll(async () => (await source.readFloor()).sequence).toBe(1);
    sink.deliveries[1]?.ack();
    await expect.poll(async () => (await source.readFloor()).sequence).toBe(3);
    expect(Math.abs(Date.parse((await source.readFloor()).asOf) - Date.now())).toBeLessThan(60_000);
  });

  it('pulls no more than there is room for, and goes on when there is some', async () => {
    const { source, publish } = await setup();
    const sink = collector(3);
    await publish('1', '2', '3', '4', '5');
    source.start(sink);
    await vi.waitFor(() => expect(sink.data()).toEqual(['1', '2', '3']));
    const { num_ack_pending } = await server.manager.consumers.info(`S${streams}`, 'fn_events');
    expect(num_ack_pending).toBe(3);
    sink.grow(10);
    await vi.waitFor(() => expect(sink.data()).toEqual(['1', '2', '3', '4', '5']));
  });

  it('delivers 20,000 messages once each, in order', async () => {
    const { source, publish } = await setup();
    const messages = Array.from({ length: 20_000 }, (_, n) => String(n));
    const sink = collector(20_000);
    const deliver = (delivery: Delivery) => {
      sink.deliver(delivery);
      delivery.ack();
    };
    source.start({ ...sink, deliver });
    await publish(...messages);
    await vi.waitFor(() => expect(sink.deliveries).toHaveLength(20_000), { timeout: 20_000 });
    expect(sink.data()).toEqual(messages);
  }, 30_000);

  it('delivers messages that are together larger than a pull may bring', async () => {
    const { source, sink, root } = await setup();
    for (let n = 0; n < 25; n++) server.nc.publish(`${root}.e`, new Uint8Array(1_000_000));
    await server.nc.flush();
    source.start(sink);
    await vi.waitFor(() => expect(sink.deliveries.map(({ bytes }) => bytes)).toEqual(Array(25).fill(1_000_000)), { timeout: 10_000 });
  }, 15_000);

  it('gives back at once what arrives after it was stopped', async () => {
    const { source, sink, publish, open } = await setup();
    source.start(sink);
    await publish('1');
    await vi.waitFor(() => expect(sink.deliveries).toHaveLength(1));
    void publish('2', '3');
    await source.stop();
    const seen = sink.deliveries.length;
    const next = collector();
    (await open()).start(next);
    await vi.waitFor(() => expect(next.deliveries.length + seen).toBe(3));
    expect(sink.deliveries).toHaveLength(seen);
  });
});

describe('its consumer', () => {
  it('is changed in place when the binding changes, and keeps its position', async () => {
    const { source, sink, publish, open, root } = await setup({ subjects: ['e'] });
    source.start(sink);
    await publish('old');
    await vi.waitFor(() => expect(sink.deliveries).toHaveLength(1));
    sink.deliveries[0]?.ack();
    await source.stop();
    const wider = collector();
    (await open(['e', 'f'])).start(wider);
    server.nc.publish(`${root}.f`, 'new');
    await vi.waitFor(() => expect(wider.data()).toEqual(['new']));
  });

  it('is left alone, with a sentence, when it cannot be changed without losing its position', async () => {
    const { stream } = await setup();
    await server.manager.consumers.add(stream, {
      durable_name: 'pushed',
      deliver_subject: 'x',
      ack_policy: 'explicit',
      deliver_policy: 'all',
    });
    const opening = jetstreamSource({ nc: server.nc, stream, durable: 'pushed', subjects: [], ackWait: 1000, log: () => {} });
    await expect(opening).rejects.toThrow(/pushed of the stream S\d+ is a push consumer, .* delete it or rename the binding/);
  });

  it('is not made on a stream that does not exist', async () => {
    const opening = jetstreamSource({ nc: server.nc, stream: 'NONE', durable: 'd', subjects: ['x'], ackWait: 1000, log: () => {} });
    await expect(opening).rejects.toThrow('the stream NONE does not exist; create it first');
  });

  it('is made anew when somebody deletes it', async () => {
    const { source, sink, publish, stream, origin } = await setup();
    source.start(sink);
    await publish('1');
    await vi.waitFor(() => expect(sink.data()).toEqual(['1']));
    await server.manager.consumers.delete(stream, 'fn_events');
    await vi.waitFor(() => expect(sink.data()).toEqual(['1', '1']), { timeout: 5000 });
    expect(source.consumer).toBe(`${origin}/fn_events.1`);
    expect(sentences).toEqual([`${stream}/fn_events: Consumer Deleted; the consumer is set up again`]);
  });

  it('does not take an ack that was meant for the consumer before it', async () => {
    const { source, sink, publish, stream } = await setup();
    source.start(sink);
    await publish('1');
    await vi.waitFor(() => expect(sink.deliveries).toHaveLength(1));
    await server.manager.consumers.delete(stream, 'fn_events');
    await vi.waitFor(() => expect(sink.deliveries).toHaveLength(2), { timeout: 5000 });
    sink.deliveries[0]?.ack();
    await server.nc.flush();
    expect((await server.manager.consumers.info(stream, 'fn_events')).num_ack_pending).toBe(1);
  });

  it('has another identity on a stream that was deleted and created again', async () => {
    const { source, sink, publish, stream, create, origin } = await setup();
    source.start(sink);
    await publish('1');
    await vi.waitFor(() => expect(sink.data()).toEqual(['1']));
    await server.manager.streams.delete(stream);
    const { created } = await create();
    await publish('2');
    await vi.waitFor(() => expect(sink.data()).toEqual(['1', '2']), { timeout: 10_000 });
    expect(source.consumer).toBe(`${stream}@${Date.parse(created)}/fn_events.1`);
    expect(source.consumer).not.toContain(origin);
    expect(await source.readFloor()).toMatchObject({ sequence: 0 });
  }, 15_000);

  it('goes on where it was after the server was killed and came back', async () => {
    const { source, sink, publish, stream } = await setup();
    source.start(sink);
    await publish('1');
    await vi.waitFor(() => expect(sink.data()).toEqual(['1']));
    sink.deliveries[0]?.ack();
    await expect.poll(async () => (await source.readFloor()).sequence).toBe(1);
    await server.crash();
    await publish('2');
    await vi.waitFor(() => expect(sink.data()).toEqual(['1', '2']), { timeout: 10_000 });
    expect(sentences[0]).toBe(`${stream}/fn_events: the connection to NATS was lost and is back; the consumer is set up again`);
  }, 30_000);

  it('takes only the subjects of the binding from a work queue', async () => {
    await server.manager.streams.add({ name: 'WQ', subjects: ['wq.>'], retention: RetentionPolicy.Workqueue });
    const source = await jetstreamSource({ nc: server.nc, stream: 'WQ', durable: 'd', subjects: ['wq.a'], ackWait: 1000, log: () => {} });
    onTestFinished(() => source.stop());
    const sink = collector();
    source.start(sink);
    for (const subject of ['wq.b', 'wq.a']) server.nc.publish(subject, subject);
    await vi.waitFor(() => expect(sink.data()).toEqual(['wq.a']));
    sink.deliveries[0]?.ack();
    await expect.poll(async () => (await server.manager.streams.info('WQ')).state.messages).toBe(1);
  });
});
