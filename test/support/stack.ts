/** The whole product in this process: nats-server, table, bridge and the functions of serverless.yml, on free ports. */
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { type Bridge, startBridge } from '#infra/bridge/bridge.ts';
import { localInvoker } from '#infra/bridge/local-invoker.ts';
import { readManifest } from '#infra/bridge/read-manifest.ts';
import { setupNats } from './nats.ts';
import { setupTable } from './table.ts';

export type Stack = {
  nc: NatsConnection;
  url: string;
  bridge: Bridge;
  /** What the bridge said. */
  log: string[];
  /** Resolves when a stream has it. */
  publish(subject: string, body: unknown): Promise<void>;
  stop(): Promise<void>;
};

/** One a test file: functions keep the table's connection for the life of their process. */
export const setupStack = async (): Promise<Stack> => {
  const [nats, table] = await Promise.all([setupNats({ streams: true }), setupTable()]);
  Object.assign(process.env, {
    TABLE_NAME: table.tableName,
    AWS_ENDPOINT_URL_DYNAMODB: table.endpoint,
    POWERTOOLS_METRICS_DISABLED: 'true',
    POWERTOOLS_LOG_LEVEL: 'CRITICAL',
  });
  const nc = nats.connection;
  const log: string[] = [];
  const manifest = await readManifest('serverless.yml');
  const bridge = await startBridge({
    manifest,
    connection: nc,
    invoker: await localInvoker(manifest),
    log: (sentence) => log.push(sentence),
  });
  const js = jetstream(nc);
  return {
    nc,
    url: nats.url,
    bridge,
    log,
    publish: async (subject, body) => {
      await js.publish(subject, typeof body === 'string' ? body : JSON.stringify(body));
    },
    stop: async () => {
      await bridge.drain(5000);
      await Promise.all([nats.stop(), table.stop()]);
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
