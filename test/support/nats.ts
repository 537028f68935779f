/** A real nats-server for a test: JetStream in a folder of its own, on a free port. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { findNatsServer } from '#infra/local/find-nats-server.ts';
import { startNatsServer } from '#infra/local/nats-server.ts';
import { applyStreams } from '#infra/nats/apply.ts';
import { streams } from '#infra/nats/streams.ts';

export type TestNats = { url: string; port: number; connection: NatsConnection; stop(): Promise<void> };

/** `streams`: with the product's streams and buckets. */
export const setupNats = async (options: { streams?: boolean } = {}): Promise<TestNats> => {
  const folder = await mkdtemp(join(tmpdir(), 'mistersmith-nats-'));
  const binary = await findNatsServer({ log: console.info });
  const server = await startNatsServer({ binary, folder, port: 0, log: console.info });
  const connection = await connect({ servers: server.url });
  if (options.streams) await applyStreams(await jetstreamManager(connection), streams({ replicas: 1, bytes: 1e9 }), console.info);
  return {
    url: server.url,
    port: server.port,
    connection,
    async stop() {
      await connection.close();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
