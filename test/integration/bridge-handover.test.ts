/** Another bridge takes an ordered binding over: what its owner before left unsettled comes first, by sequence (bridge rule 9). */
import { createInbox, nanos } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { jetstreamSource } from '#infra/bridge/sources/jetstream-source.ts';
import { collector, startNats, type TestServer } from './bridge-nats.ts';

let server: TestServer;
let streams = 0;

beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server.stop());

const setup = async () => {
  streams += 1;
  const stream = `S${streams}`;
  await server.manager.streams.add({ name: stream, subjects: [`${stream}.>`] });
  const open = async () => {
    const options = { nc: server.nc, stream, durable: 'fn_events', subjects: [`${stream}.e`], ackWait: 1000, log: () => {} };
    const source = await jetstreamSource({ ...options, ordered: true });
    onTestFinished(() => source.stop());
    return source;
  };
  const publish = async (...messages: number[]) => {
    for (const message of messages) await server.nc.request(`${stream}.e`, String(message));
  };
  /** The first so many messages go to somebody who dies with them, after saying something of some. */
  const takeAndDie = async (count: number, last?: (message: number, say: (verb: string) => void) => void) => {
    const inbox = createInbox();
    const subscription = server.nc.subscribe(inbox);
    server.nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.fn_events`, JSON.stringify({ batch: count, expires: nanos(2000) }), {
      reply: inbox,
    });
    for await (const message of subscription) {
      last?.(Number(message.string()), (verb) => message.respond(verb));
      if (--count === 0) break;
    }
    await server.nc.flush();
  };
  const pending = async () => (await server.manager.consumers.info(stream, 'fn_events')).num_ack_pending;
  return { stream, open, publish, takeAndDie, pending };
};

describe('order is kept across a hand-over', () => {
  it('of an owner that was killed with messages in flight', async () => {
    const { open, publish, takeAndDie } = await setup();
    const source = await open();
    await publish(1, 2, 3, 4, 5, 6, 7, 8);
    // It comes back in another order than it was: 2 waits longer than the rest.
    await takeAndDie(4, (message, say) => message === 2 && setTimeout(() => say('+WPI'), 500));
    const sink = collector();
    source.start(sink);
    await vi.waitFor(() => expect(sink.data()).toHaveLength(8), { timeout: 5000 });
    expect(sink.data()).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
  });

  it('of an owner that was killed with thousands, while new ones arrive', async () => {
    const { stream, open, publish, takeAndDie } = await setup();
    const source = await open();
    const all = Array.from({ length: 4000 }, (_, n) => n + 1);
    for (const message of all.slice(0, 3500)) server.nc.publish(`${stream}.e`, String(message));
    await takeAndDie(3000);
    const sink = collector();
    source.start(sink);
    for (const message of all.slice(3500)) await publish(message);
    await vi.waitFor(() => expect(sink.data()).toHaveLength(4000), { timeout: 10_000 });
    expect(sink.data()).toEqual(all.map(String));
  }, 20_000);

  it('of an owner that settled some of them at the last moment', async () => {
    const { open, publish, takeAndDie } = await setup();
    const source = await open();
    await publish(1, 2, 3, 4, 5);
    await takeAndDie(4, (message, say) => message !== 2 && setTimeout(() => say('+ACK'), 300));
    const sink = collector();
    source.start(sink);
    await publish(6);
    await vi.waitFor(() => expect(sink.data()).toEqual(['2', '5', '6']), { timeout: 5000 });
  });

  it('of an owner whose connection died in silence, so that its pull still takes messages', async () => {
    const { stream, open, publish } = await setup();
    const source = await open();
    // The inbox of somebody who hears nothing any more.
    const inbox = createInbox();
    server.nc.subscribe(inbox, { callback: () => {} });
    server.nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.fn_events`, JSON.stringify({ batch: 3, expires: nanos(1500) }), {
      reply: inbox,
    });
    await server.nc.flush();
    const sink = collector();
    source.start(sink);
    await publish(1, 2);
    await vi.waitFor(() => expect(sink.data()).toEqual(['1', '2']), { timeout: 8000 });
  });

  it('of an owner in the same process that was stopped, to and fro, at once', async () => {
    const { open, publish, pending } = await setup();
    const first = await open();
    const sink = collector();
    first.start(sink);
    await publish(1, 2);
    await vi.waitFor(() => expect(sink.data()).toEqual(['1', '2']));
    await first.stop();
    for (const delivery of sink.deliveries.toReversed()) delivery.nak(0);
    const second = await open();
    const again = collector();
    second.start(again);
    await vi.waitFor(() => expect(again.data()).toEqual(['1', '2']));
    await second.stop();
    for (const delivery of again.deliveries) delivery.ack();
    await expect.poll(pending).toBe(0);
    const third = collector();
    (await open()).start(third);
    await publish(3);
    await vi.waitFor(() => expect(third.data()).toEqual(['3']));
  });

  it('to itself, after the server was killed', async () => {
    const { open, publish } = await setup();
    const source = await open();
    const sink = collector();
    source.start(sink);
    await publish(1, 2, 3);
    await vi.waitFor(() => expect(sink.data()).toEqual(['1', '2', '3']));
    await server.crash();
    await publish(4);
    await vi.waitFor(() => expect(sink.data()).toEqual(['1', '2', '3', '1', '2', '3', '4']), { timeout: 10_000 });
  }, 20_000);

  it('and what it holds meanwhile is delivered once', async () => {
    const { open, publish, takeAndDie } = await setup();
    const source = await open();
    await publish(1, 2, 3);
    // It stays with its owner for three ack waits.
    await takeAndDie(1, (_, say) => {
      for (const at of [800, 1600]) setTimeout(() => say('+WPI'), at);
    });
    const sink = collector();
    source.start(sink);
    await vi.waitFor(() => expect(sink.data()).toEqual(['1', '2', '3']), { timeout: 6000 });
    expect(sink.deliveries.map(({ record }) => record.deliveries)).toEqual([2, 1, 1]);
  }, 10_000);
});
