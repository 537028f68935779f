/** Where the cases of the bridge bench run: a nats-server with the product's streams and the bench's two, and the function. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { findNatsServer } from '#infra/local/find-nats-server.ts';
import { freePort } from '#infra/local/free-port.ts';
import { type GuardedChild, spawnGuarded } from '#infra/local/guarded-child.ts';
import { applyStreams } from '#infra/nats/apply.ts';
import { streams } from '#infra/nats/streams.ts';
import { type Child, startChild } from './bridge-child.ts';
import { durableOf, STREAM, SUBJECT, type Task } from './bridge-contender.ts';

const PATIENCE_MS = 10_000;
const POLL_MS = 20;
/** Messages that are sent at once. */
const STRIDE = 5000;
const PAYLOAD = JSON.stringify({ pad: 'x'.repeat(502) });

export type Bed = {
  nc: NatsConnection;
  manager: JetStreamManager;
  function: Child;
  /** Puts 512-byte messages on the stream. */
  load(count: number): Promise<void>;
  task(target: string, batch: number): Task;
  /** Messages of the stream that the contender has acknowledged. */
  acknowledged(task: Task): Promise<number>;
  stop(): Promise<void>;
};

type Server = { child: GuardedChild; nc: NatsConnection };

const startServer = async (folder: string, port: number, sync: string): Promise<Server> => {
  const configFile = join(folder, 'bench.conf');
  await writeFile(configFile, `listen: "127.0.0.1:${port}"\njetstream { store_dir: ${JSON.stringify(folder)}, sync_interval: ${sync} }\n`);
  const binary = await findNatsServer({ log: console.error });
  const child = spawnGuarded({ command: binary, args: ['-c', configFile], logFile: join(folder, 'nats-server.log') });
  for (const until = Date.now() + PATIENCE_MS; ; await sleep(POLL_MS)) {
    try {
      const nc = await connect({ servers: `127.0.0.1:${port}`, reconnect: false });
      await jetstreamManager(nc);
      return { child, nc };
    } catch (error) {
      if (Date.now() < until) continue;
      await child.stop();
      throw error;
    }
  }
};

const applyAll = async (nc: NatsConnection): Promise<void> => {
  const manager = await jetstreamManager(nc);
  await applyStreams(manager, streams({ replicas: 1, bytes: 1e9 }), console.error);
  await manager.streams.add({ name: STREAM, subjects: [SUBJECT], max_msgs: 500_000 });
  await manager.streams.add({ name: 'BENCH_OUT', subjects: ['bench.out'], allow_atomic: true, max_msgs: 500_000 });
};

const loadInto = async (nc: NatsConnection, count: number): Promise<void> => {
  const manager = await jetstreamManager(nc);
  const stored = async () => (await manager.streams.info(STREAM)).state.last_seq;
  const end = (await stored()) + count;
  for (let sent = end - count; sent < end; ) {
    // A stream that is given more than it can write drops it.
    for (let n = Math.min(STRIDE, end - sent); n > 0; n--, sent++) nc.publish(SUBJECT, PAYLOAD);
    while ((await stored()) < sent) await sleep(1);
  }
};

/** `messages` are on the stream when it stands. `durably`: the server syncs what it acknowledges, as in production. */
export const setupBed = async ({ messages, durably = false }: { messages: number; durably?: boolean }): Promise<Bed> => {
  const folder = await mkdtemp(join(tmpdir(), 'mistersmith-bench-'));
  const port = await freePort();
  let server = await startServer(folder, port, '2m');
  let names = 0;
  const stopServer = async () => {
    await server.nc.close();
    await server.child.stop();
  };
  const clear = async () => {
    await stopServer();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await applyAll(server.nc);
    await loadInto(server.nc, messages);
    if (durably) {
      await stopServer();
      server = await startServer(folder, port, 'always');
    }
    const { nc } = server;
    const manager = await jetstreamManager(nc);
    const fn = await startChild('bridge-function.ts');
    return {
      nc,
      manager,
      function: fn,
      load: (count) => loadInto(nc, count),
      task: (target, batch) => ({ nats: `127.0.0.1:${port}`, endpoint: fn.ready, target, batch, name: `bench-${++names}` }),
      acknowledged: async ({ name }) => {
        const [{ state }, info] = await Promise.all([
          manager.streams.info(STREAM),
          manager.consumers.info(STREAM, durableOf(name)).catch(() => undefined),
        ]);
        return info ? state.last_seq - info.num_pending - info.num_ack_pending : 0;
      },
      stop: async () => {
        await fn.stop();
        await clear();
      },
    };
  } catch (error) {
    await clear();
    throw error;
  }
};
