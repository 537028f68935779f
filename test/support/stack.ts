/** The whole product: nats-server, table and bridge on free ports, and the functions of serverless.yml where the target is. */
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { startBridge } from '#infra/bridge/bridge.ts';
import type { Manifest } from '#infra/bridge/manifest/manifest.ts';
import { readManifest } from '#infra/bridge/manifest/read-manifest.ts';
import type { Invoker } from '#infra/bridge/ports/ports.ts';
import { setupNats } from './nats.ts';

/** Where the functions run. */
export type Target = {
  invoker: Invoker;
  /** The functions' table, empty. */
  table: { client: DynamoDBClient; name: string };
  stop(): Promise<void>;
};

/** `environment`: settings of the functions that are not those of serverless.yml. */
export type SetupTarget = (manifest: Manifest, environment: Record<string, string>) => Promise<Target>;

const targets: Record<string, () => Promise<SetupTarget>> = {
  'in-process': async () => (await import('./in-process-target.ts')).inProcessTarget,
  lambda: async () => (await import('./lambda-target.ts')).lambdaTarget,
};

export type Stack = {
  nc: NatsConnection;
  url: string;
  table: Target['table'];
  /** Resolves when a stream has it. */
  publish(subject: string, body: unknown): Promise<void>;
  /** No bridge runs meanwhile. */
  withoutBridge(meanwhile: () => Promise<void>): Promise<void>;
  stop(): Promise<void>;
};

/** One a test file. The project of vitest.config.ts says what the target is. */
export const setupStack = async (environment: Record<string, string> = {}): Promise<Stack> => {
  const manifest = await readManifest('serverless.yml');
  const setupTarget = await targets[process.env.MISTERSMITH_TARGET ?? 'in-process']?.();
  if (!setupTarget) throw new Error(`MISTERSMITH_TARGET ${process.env.MISTERSMITH_TARGET} is none of ${Object.keys(targets)}`);
  const [nats, target] = await Promise.all([setupNats({ streams: true }), setupTarget(manifest, environment)]);
  const nc = nats.connection;
  const start = () => startBridge({ manifest, connection: nc, invoker: target.invoker, log: () => undefined });
  let bridge = await start();
  const js = jetstream(nc);
  return {
    nc,
    url: nats.url,
    table: target.table,
    publish: async (subject, body) => {
      await js.publish(subject, typeof body === 'string' ? body : JSON.stringify(body));
    },
    withoutBridge: async (meanwhile) => {
      await bridge.drain(5000);
      await meanwhile();
      bridge = await start();
    },
    stop: async () => {
      await bridge.drain(5000);
      await Promise.all([nats.stop(), target.stop()]);
    },
  };
};

/** Collects what arrives on a filter from now on. */
export const collect = async (nc: NatsConnection, filter: string) => {
  const seen: { subject: string; body: unknown; text: string; headers: Record<string, string> }[] = [];
  nc.subscribe(filter, {
    callback: (_, message) => {
      const text = message.string();
      let body: unknown = text;
      try {
        body = JSON.parse(text);
      } catch {
        // Not JSON: the text is all there is.
      }
      const headers = Object.fromEntries([...(message.headers ?? [])].map(([name, values]) => [name, values[0] ?? '']));
      seen.push({ subject: message.subject, body, text, headers });
    },
  });
  await nc.flush();
  return seen;
};
