import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { headers, nanos } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { findNatsServer } from '#infra/local/find-nats-server.ts';
import { spawnGuarded } from '#infra/local/guarded-child.ts';
import { localStreams } from '#infra/local/streams.ts';
import { applyStreams, checkServer } from '#infra/nats/apply.ts';
import { connectTo } from '#infra/nats/connect.ts';
import { type StreamSpec, streams } from '#infra/nats/streams.ts';
import { setupNats, type TestNats } from '#test/support/nats.ts';

const GIGABYTE = 1e9;
const wanted = streams({ replicas: 1, bytes: GIGABYTE });
const names = wanted.map(({ name }) => name);

describe('the streams of the product', () => {
  let nats: TestNats;
  let manager: JetStreamManager;
  const log = vi.fn();

  beforeAll(async () => {
    nats = await setupNats();
    manager = await jetstreamManager(nats.connection);
  });
  afterAll(() => nats.stop());

  const config = async (name: string) => (await manager.streams.info(name)).config;

  it('are created the first time and left alone the second time', async () => {
    const first = await applyStreams(manager, wanted, log);
    const second = await applyStreams(manager, wanted, log);
    expect(first).toEqual({ created: names, updated: [], unchanged: [] });
    expect(second).toEqual({ created: [], updated: [], unchanged: names });
    expect(log).not.toHaveBeenCalled();
  });

  it('reserve no more than what they were given', async () => {
    const { reserved_storage } = await manager.getAccountInfo();
    expect(reserved_storage).toBeLessThanOrEqual(GIGABYTE);
  });

  it('get back what somebody changed', async () => {
    await manager.streams.update('ALERTS', { max_age: nanos(3_600_000), subjects: ['alerts.>'] });
    const applied = await applyStreams(manager, wanted, log);
    expect(applied.updated).toEqual(['ALERTS']);
    expect(log).toHaveBeenLastCalledWith('the stream ALERTS was changed: subjects, max_age');
    expect(await config('ALERTS')).toMatchObject({ max_age: nanos(7 * 86_400_000), subjects: ['alerts.>', 'notifications.>'] });
  });

  it('keep, on a laptop, the size that they were made with', async () => {
    const specs = await localStreams(manager, 100 * GIGABYTE);
    expect((await applyStreams(manager, specs, log)).updated).toEqual([]);
  });

  it('hold a bucket that any NATS client can use', async () => {
    const bucket = await new Kvm(nats.connection).create('AGENT_STATE', { ttl: 300_000 });
    await bucket.put('agent.a1', 'busy');
    nats.connection.publish('$KV.AGENT_STATE.agent.a1', 'ready');
    await nats.connection.flush();
    await expect.poll(async () => (await bucket.get('agent.a1'))?.string()).toBe('ready');
    expect((await bucket.status()).ttl).toBe(300_000);
  });

  it('let a message be scheduled, and keep one alarm a key', async () => {
    const schedule = (ms: number) => {
      const at = headers();
      at.set('Nats-Schedule', `@at ${new Date(Date.now() + ms).toISOString()}`);
      at.set('Nats-Schedule-Target', 'timers.due.f.agent.a1');
      return jetstream(nats.connection).publish('timers.set.f.agent.a1', '', { headers: at });
    };
    await schedule(3_600_000);
    await schedule(10);
    await expect
      .poll(async () => (await manager.streams.info('TIMERS', { subjects_filter: '>' })).state.subjects)
      .toEqual({
        'timers.due.f.agent.a1': 1,
      });
  });

  it('refuse queued work past the limit of a subject instead of losing the oldest', async () => {
    const js = jetstream(nats.connection);
    const publishes = Array.from({ length: 1001 }, (_, n) => js.publish('work.nlp.high.parse', String(n)));
    const refused = (await Promise.allSettled(publishes)).filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(1);
    expect((await manager.streams.info('WORK_QUEUE')).state).toMatchObject({ messages: 1000, first_seq: 1 });
  });

  it('are not touched at all when one of them cannot become what is wanted', async () => {
    const specs = wanted.map(
      (spec): StreamSpec => (spec.name === 'COORDINATION' ? { ...spec, storage: 'memory' } : { ...spec, description: 'x' }),
    );
    await expect(applyStreams(manager, specs, log)).rejects.toThrow(/^the stream COORDINATION has storage "file", "memory" is wanted/);
    expect((await config('ALERTS')).description).toBeUndefined();
  });

  it('are refused with the words of the server where it has no room', async () => {
    const huge: StreamSpec = { name: 'HUGE', subjects: ['huge.>'], max_bytes: 1e15 };
    await expect(applyStreams(manager, [huge], log)).rejects.toThrow(
      'the stream HUGE was refused by the server: insufficient storage resources available (10047)',
    );
  });
});

describe('a server', () => {
  const check = async (url: string) => {
    const connection = await connectTo({ url, name: 'test' });
    await checkServer(connection).finally(() => connection.close());
  };

  it('with JetStream will do', async () => {
    const nats = await setupNats();
    await expect(checkServer(nats.connection)).resolves.toBeUndefined();
    await nats.stop();
  });

  it('without JetStream is refused in a sentence', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mistersmith-nats-'));
    const command = await findNatsServer({ log: console.info });
    const args = ['-a', '127.0.0.1', '-p', '-1', '--ports_file_dir', folder];
    const server = spawnGuarded({ command, args, logFile: join(folder, 'log') });
    const file = () => readdir(folder).then((files) => files.find((name) => name.endsWith('.ports')) ?? '');
    await expect.poll(file).not.toBe('');
    const { nats } = JSON.parse(await readFile(join(folder, await file()), 'utf8'));
    await expect(check(nats[0])).rejects.toThrow(/^the nats-server at .* has no JetStream for this account/);
    await server.stop();
    await rm(folder, { recursive: true });
  });

  it('before 2.12 is refused in a sentence', async () => {
    const info = { server_id: 'old', version: '2.9.25', proto: 1, headers: true, max_payload: 1_048_576 };
    const old = createServer((socket) => {
      socket.write(`INFO ${JSON.stringify(info)}\r\n`);
      socket.on('data', (data) => data.includes('PING') && socket.write('PONG\r\n'));
    }).listen(0, '127.0.0.1');
    await once(old, 'listening');
    const { port } = old.address() as AddressInfo;
    await expect(check(`127.0.0.1:${port}`)).rejects.toThrow(/^nats-server 2\.9\.25 at .* is too old: alarms need 2\.12 or later/);
    old.close();
  });
});
