/** What the tests of the bridge's NATS side share: a server that can be killed and comes back with the same port and data, and a sink. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Delivery } from '#infra/bridge/ports/ports.ts';
import { findNatsServer } from '#infra/local/find-nats-server.ts';
import { freePort } from '#infra/local/free-port.ts';

export type TestServer = {
  nc: NatsConnection;
  manager: JetStreamManager;
  /** kill -9 and start again; resolves when `nc` is connected again. */
  crash(): Promise<void>;
  stop(): Promise<void>;
};

/** `config` is added to the server's; a user `test` with the password `test` is who connects. */
export const startNats = async (config = ''): Promise<TestServer> => {
  const port = await freePort();
  const dir = await mkdtemp(join(tmpdir(), 'nats-'));
  let child: ChildProcess;
  const binary = await findNatsServer({ log: console.info });
  const file = join(dir, 'nats.conf');
  await writeFile(file, config);
  const start = () => {
    const options = ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', dir, '-c', file];
    child = spawn(binary, options, { stdio: 'ignore' });
  };
  const kill = async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  };
  start();
  const who = { user: 'test', pass: 'test' };
  const nc = await connect({ port, ...who, maxReconnectAttempts: -1, reconnectTimeWait: 50, waitOnFirstConnect: true });
  return {
    nc,
    manager: await jetstreamManager(nc),
    async crash() {
      const reconnected = new Promise<void>((resolve) => {
        void (async () => {
          for await (const { type } of nc.status()) if (type === 'reconnect') resolve();
        })();
      });
      await kill();
      start();
      await reconnected;
    },
    async stop() {
      await nc.close();
      await kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
};

/** A sink that keeps what it is given and has room for `room` messages in all. */
export const collector = (room = 10_000) => {
  const deliveries: Delivery[] = [];
  let wake = () => {};
  return {
    deliveries,
    data: () => deliveries.map(({ record }) => record.data),
    deliver: (delivery: Delivery) => void deliveries.push(delivery),
    room: () => room - deliveries.length,
    roomed: () =>
      new Promise<void>((resolve) => {
        wake = resolve;
      }),
    grow(more: number) {
      room += more;
      wake();
    },
  };
};
