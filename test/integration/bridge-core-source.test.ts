import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { coreSource } from '#infra/bridge/sources/core-source.ts';
import { setupNats, type TestNats } from '#test/support/nats.ts';
import { collector, startNats } from './bridge-nats.ts';

let server: TestNats;
beforeAll(async () => {
  server = await setupNats();
});
afterAll(() => server.stop());

const setup = async ({ bridgeId = 'b1', room = 10_000, subjects = ['agent.*.heartbeat'] } = {}) => {
  const dropped: string[] = [];
  const source = coreSource({
    nc: server.connection,
    binding: 'agent-registry.beats',
    subjects,
    bridgeId,
    started: 1_700_000_000_000,
    dropped: (why) => void dropped.push(why),
  });
  const sink = collector(room);
  onTestFinished(() => source.stop());
  source.start(sink);
  await server.connection.flush();
  return { source, sink, dropped };
};
const publish = async (count: number, subject = 'agent.a1.heartbeat') => {
  for (let n = 1; n <= count; n++) server.connection.publish(subject, String(n));
  await server.connection.flush();
};

describe('a core source', () => {
  it('numbers its records and names itself', async () => {
    const { source, sink } = await setup();
    await publish(2);
    await vi.waitFor(() => expect(sink.deliveries).toHaveLength(2));
    expect(source).toMatchObject({ eventSource: 'nats:core', consumer: 'core@1700000000000/agent-registry.beats.b1' });
    const record = sink.deliveries[1]?.record;
    expect(record).toEqual({
      id: `core.b1.agent-registry_beats@1700000000000:2:${Date.parse(record?.timestamp ?? '')}`,
      subject: 'agent.a1.heartbeat',
      data: '2',
      encoding: 'utf8',
      headers: {},
      sequence: 2,
      deliveries: 1,
      timestamp: expect.any(String),
    });
  });

  it('moves its floor over what is settled without a gap', async () => {
    const { source, sink } = await setup();
    await publish(3);
    await vi.waitFor(() => expect(sink.deliveries).toHaveLength(3));
    sink.deliveries[0]?.ack();
    sink.deliveries[2]?.ack();
    expect((await source.readFloor()).sequence).toBe(1);
    sink.deliveries[1]?.ack();
    expect((await source.readFloor()).sequence).toBe(3);
  });

  it('says since when it missed nothing: not what had no room', async () => {
    const { source, dropped } = await setup({ room: 0 });
    const before = source.heardSince?.() ?? 0;
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(before));
    await publish(1);
    await vi.waitFor(() => expect(dropped).toEqual(['no_room']));
    expect(source.heardSince?.()).toBeGreaterThan(before);
  });

  it('says since when it missed nothing: not while the connection was lost', async () => {
    const own = await startNats('authorization { user: test, password: test }');
    onTestFinished(() => own.stop());
    const options = { binding: 'f.beats', subjects: ['a'], bridgeId: 'b1', started: 1, dropped() {} };
    const source = coreSource({ nc: own.nc, ...options });
    source.start(collector());
    await own.nc.flush();
    const lost = Date.now();
    await own.crash();
    await vi.waitFor(() => expect(source.heardSince?.()).toBeGreaterThan(lost));
  });

  it('settles and counts a record that the function failed, once', async () => {
    const { source, sink, dropped } = await setup();
    await publish(1);
    await vi.waitFor(() => expect(sink.deliveries).toHaveLength(1));
    sink.deliveries[0]?.nak(1000);
    sink.deliveries[0]?.nak(1000);
    expect({ dropped, floor: (await source.readFloor()).sequence }).toEqual({ dropped: ['failed'], floor: 1 });
  });

  it('drops and counts the newest when there is no room', async () => {
    const { sink, dropped } = await setup({ room: 2 });
    await publish(5);
    await vi.waitFor(() => expect(dropped).toEqual(['no_room', 'no_room', 'no_room']));
    expect(sink.data()).toEqual(['1', '2']);
  });

  it('shares its subjects with the bridges of the same binding', async () => {
    const one = await setup({ bridgeId: 'b1' });
    const two = await setup({ bridgeId: 'b2' });
    await publish(200);
    await vi.waitFor(() => expect(one.sink.deliveries.length + two.sink.deliveries.length).toBe(200));
    expect(Math.min(one.sink.deliveries.length, two.sink.deliveries.length)).toBeGreaterThan(0);
  });

  it('delivers nothing after it was stopped', async () => {
    const { source, sink } = await setup();
    await source.stop();
    await publish(3);
    expect(sink.deliveries).toEqual([]);
  });
});
