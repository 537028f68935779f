import { AckPolicy, type JetStreamClient, jetstream } from '@nats-io/jetstream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type LagBinding, watchLag } from '#infra/bridge/observe/lag.ts';
import { createMetrics } from '#infra/bridge/observe/metrics.ts';
import { startNats, type TestServer } from './bridge-nats.ts';

describe('the lag of a binding, for an autoscaler', () => {
  let server: TestServer;
  let js: JetStreamClient;
  let metrics: ReturnType<typeof createMetrics>;
  let owned: LagBinding[];
  let stop: () => void;
  beforeAll(async () => {
    server = await startNats();
    js = jetstream(server.nc);
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    await server.manager.streams.add({ name: 'EVENTS', subjects: ['in.*'] });
    const filters = { filter_subjects: ['in.a', 'in.b'] };
    await server.manager.consumers.add('EVENTS', { durable_name: 'fn_events', ack_policy: AckPolicy.Explicit, ...filters });
    metrics = createMetrics();
    owned = [{ name: 'fn.events', stream: 'EVENTS', durable: 'fn_events' }];
  });
  afterEach(async () => {
    stop();
    await server.manager.streams.delete('EVENTS');
  });

  const watch = () => {
    // Looks again at once, not after 5 s.
    const clock = { now: Date.now, after: (_: number, fn: () => void) => clearTimeout.bind(null, setTimeout(fn, 20)) };
    stop = watchLag({ manager: server.manager, bindings: () => owned, metrics, clock });
  };
  const lag = () => metrics.binding('fn.events').lag.read();
  const oldestAge = () => metrics.binding('fn.events').oldestAgeSeconds.read();
  const take = async (n: number) => {
    const consumer = await js.consumers.get('EVENTS', 'fn_events');
    return Array.fromAsync(await consumer.fetch({ max_messages: n, expires: 1000 }));
  };

  it('counts what is not delivered and what is not acknowledged, of its subjects only', async () => {
    for (const subject of ['in.a', 'in.b', 'in.c', 'in.a']) await js.publish(subject);
    const [first] = await take(1);
    watch();
    await expect.poll(lag).toBe(3);
    await first?.ackAck();
    await expect.poll(lag).toBe(2);
  });

  it('is 0, and nothing is old, where all is settled', async () => {
    watch();
    await expect.poll(() => [lag(), oldestAge()]).toEqual([0, 0]);
  });

  it('knows how old the oldest is, which a later one that is settled does not change', async () => {
    await js.publish('in.b');
    const published = Date.now();
    await js.publish('in.a');
    const [, second] = await take(2);
    await second?.ackAck();
    watch();
    await expect.poll(oldestAge).toBeGreaterThan(0);
    expect(oldestAge()).toBeLessThan((Date.now() - published) / 1000 + 1);
    await vi.waitFor(() => expect(oldestAge()).toBeGreaterThan(0.1));
  });

  it('is not known where another bridge owns the binding', async () => {
    watch();
    await expect.poll(lag).toBe(0);
    owned = [];
    await expect.poll(lag).toBeUndefined();
  });

  it('is not known while the server does not say', async () => {
    watch();
    await expect.poll(lag).toBe(0);
    await server.manager.consumers.delete('EVENTS', 'fn_events');
    await expect.poll(lag).toBeUndefined();
  });
});
