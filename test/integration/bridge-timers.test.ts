import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { natsPublisher } from '#infra/bridge/publish/nats-publisher.ts';
import { alarmSource } from '#infra/bridge/sources/alarm-source.ts';
import { streams } from '#infra/nats/streams.ts';
import { collector, startNats, type TestServer } from './bridge-nats.ts';

let server: TestServer;
let functions = 0;
const HOUR = 3_600_000;

const addTimers = ({ manager }: TestServer) =>
  Promise.all(
    streams({ replicas: 1, bytes: 1e9 })
      .filter(({ name }) => name === 'TIMERS')
      .map((spec) => manager.streams.add(spec)),
  );

beforeAll(async () => {
  server = await startNats();
  await addTimers(server);
});
afterAll(() => server.stop());

/** Two bridges that share a function, so that one does not know what the other did. */
const setup = async (on = server) => {
  functions += 1;
  const functionName = `fn${functions}`;
  const bridge = () => {
    const publisher = natsPublisher({ nc: on.nc });
    onTestFinished(() => publisher.close());
    const set = (key: string, inMs: number | null, version: number) =>
      publisher.setTimers(functionName, [{ key, at: inMs === null ? null : new Date(Date.now() + inMs).toISOString(), version }]);
    return { set, publisher };
  };
  const source = await alarmSource({ nc: on.nc, functionName, durable: `${functionName}_alarms`, ackWait: 30_000, log: () => {} });
  onTestFinished(() => source.stop());
  const sink = collector();
  source.start(sink);
  const due = () => sink.deliveries.map(({ record }) => record.subject.replace(`timers.due.${functionName}.`, '').replace(/\.[^.]+$/, ''));
  /** The version of the alarm that the server holds. */
  const standing = async (key: string) => {
    const message = await on.manager.streams.getMessage('TIMERS', { last_by_subj: `timers.set.${functionName}.${key}` });
    return message ? Number(message.header.get('X-Entity-Version')) : undefined;
  };
  return { functionName, one: bridge(), other: bridge(), sink, due, standing };
};

describe('an alarm', () => {
  it('is delivered when it is due, and is gone after its ack', async () => {
    const { one, sink, standing, functionName } = await setup();
    const at = new Date(Date.now() + 100).toISOString();
    await one.publisher.setTimers(functionName, [{ key: 'agent.a1', at, version: 1 }]);
    await vi.waitFor(() => expect(sink.deliveries).toHaveLength(1), { timeout: 5000 });
    const { record } = sink.deliveries[0] as (typeof sink.deliveries)[0];
    expect(record).toMatchObject({
      subject: expect.stringContaining(`timers.due.${functionName}.agent.a1.`),
      data: JSON.stringify({ due: at }),
    });
    expect(record.timestamp >= at).toBe(true);
    sink.deliveries[0]?.ack();
    await expect
      .poll(async () => (await server.manager.streams.info('TIMERS', { subjects_filter: `timers.*.${functionName}.>` })).state.subjects)
      .toBeUndefined();
    expect(await standing('agent.a1')).toBeUndefined();
  });

  it('is due at once when its time is past', async () => {
    const { one, due } = await setup();
    await one.set('agent.a1', -HOUR, 1);
    await vi.waitFor(() => expect(due()).toEqual(['agent.a1']), { timeout: 5000 });
  });

  it('is moved, so that it is due once, at the new time', async () => {
    const { one, due } = await setup();
    await one.set('agent.a1', HOUR, 1);
    await one.set('agent.a1', 50, 2);
    await vi.waitFor(() => expect(due()).toEqual(['agent.a1']), { timeout: 5000 });
  });

  it('can be set again by its own record', async () => {
    const { one, due } = await setup();
    await one.set('agent.a1', 20, 1);
    await vi.waitFor(() => expect(due()).toHaveLength(1), { timeout: 5000 });
    await one.set('agent.a1', 20, 2);
    await vi.waitFor(() => expect(due()).toHaveLength(2), { timeout: 5000 });
  });

  it('is removed', async () => {
    const { one, other, standing } = await setup();
    await one.set('agent.a1', HOUR, 1);
    await one.set('agent.a1', null, 2);
    await one.set('agent.a2', HOUR, 1);
    await other.set('agent.a2', null, 2);
    expect([await standing('agent.a1'), await standing('agent.a2')]).toEqual([undefined, undefined]);
    await one.set('agent.a1', null, 3);
    await one.set('agent.a1', HOUR, 4);
    expect(await standing('agent.a1')).toBe(4);
  });

  it('is the newest of those that one call names', async () => {
    const { one, standing, functionName } = await setup();
    const at = new Date(Date.now() + HOUR).toISOString();
    await one.publisher.setTimers(functionName, [
      { key: 'agent.a1', at, version: 6 },
      { key: 'agent.a1', at: null, version: 5 },
    ]);
    expect(await standing('agent.a1')).toBe(6);
  });
});

describe('an older version', () => {
  it.each([
    ['overwrites', HOUR],
    ['removes', null],
  ])('never %s a newer alarm, whichever bridge has set it', async (_, at) => {
    const { one, other, standing } = await setup();
    await one.set('agent.a1', HOUR, 5);
    await one.set('agent.a1', at, 4);
    await other.set('agent.a1', at, 4);
    expect(await standing('agent.a1')).toBe(5);
  });

  it.each([
    ['overwrites', HOUR],
    ['removes', null],
  ])('never %s a newer alarm that was set behind its back', async (_, at) => {
    const { one, other, standing } = await setup();
    await one.set('agent.a1', HOUR, 3);
    await other.set('agent.a1', HOUR, 5);
    await one.set('agent.a1', at, 4);
    expect(await standing('agent.a1')).toBe(5);
  });

  it('is overwritten by a newer one that another bridge sets', async () => {
    const { one, other, standing } = await setup();
    await one.set('agent.a1', HOUR, 3);
    await other.set('agent.a1', HOUR, 4);
    await one.set('agent.a1', HOUR, 5);
    expect(await standing('agent.a1')).toBe(5);
  });
});

describe('many alarms', () => {
  it('are set, moved and removed in one call each, by bridges that know and that do not know them', async () => {
    const { one, other, functionName } = await setup();
    const all = (at: number | null, version: number) =>
      Array.from({ length: 3000 }, (_, n) => ({
        key: `agent.a${n}`,
        at: at === null ? null : new Date(Date.now() + at).toISOString(),
        version,
      }));
    const count = async () =>
      (await server.manager.streams.info('TIMERS', { subjects_filter: `timers.set.${functionName}.>` })).state.subjects ?? {};
    await one.publisher.setTimers(functionName, all(HOUR, 1));
    await other.publisher.setTimers(functionName, all(HOUR, 2));
    expect(Object.keys(await count())).toHaveLength(3000);
    await one.publisher.setTimers(functionName, all(null, 3));
    expect(await count()).toEqual({});
  });
});

describe('a timer that cannot be set', () => {
  it.each([
    ['a key of one token', { key: 'agent', at: null, version: 1 }, '"agent" is no timer key: it must be <kind>.<id>, each one token'],
    ['a key with a wildcard', { key: 'agent.*', at: null, version: 1 }, '"agent.*" is no timer key'],
    ['a time that is none', { key: 'agent.a1', at: 'soon', version: 1 }, 'the timer agent.a1 has no ISO time: "soon"'],
  ])('is refused for good: %s', async (_, timer, message) => {
    const { one, functionName } = await setup();
    await expect(one.publisher.setTimers(functionName, [timer])).rejects.toMatchObject({
      retryable: false,
      message: expect.stringContaining(message),
    });
  });
});

describe('when the server is killed', () => {
  it('alarms survive, fire, and are still guarded', async () => {
    const victim = await startNats();
    onTestFinished(() => victim.stop());
    await addTimers(victim);
    const { one, other, due, standing } = await setup(victim);
    await one.set('agent.soon', 1500, 1);
    await one.set('agent.late', HOUR, 5);
    await victim.crash();
    await other.set('agent.late', HOUR, 4);
    await one.set('agent.late', HOUR, 4);
    expect(await standing('agent.late')).toBe(5);
    await vi.waitFor(() => expect(due()).toEqual(['agent.soon']), { timeout: 10_000 });
  }, 30_000);
});
