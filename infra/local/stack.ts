/** The laptop stack: nats-server, table and streams, then the bridge and the functions in this process. */
import { mkdir, statfs } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { tableClient } from '#shared/table/client.ts';
import { ensureTable } from '#shared/table/definition.ts';
import { type Bridge, startBridge } from '../bridge/bridge.ts';
import { serveHttp } from '../bridge/http.ts';
import { localInvoker } from '../bridge/invoke/local-invoker.ts';
import { readManifest } from '../bridge/manifest/read-manifest.ts';
import { applyStreams, checkServer } from '../nats/apply.ts';
import { connectTo } from '../nats/connect.ts';
import { natsAddress } from '../nats/nats-settings.ts';
import { applyQueues, planQueues } from '../nats/queues.ts';
import { workSubjects } from '../nats/work-settings.ts';
import { findNatsServer } from './find-nats-server.ts';
import type { GuardedChild } from './guarded-child.ts';
import { lockFolder } from './lock.ts';
import { startNatsServer } from './nats-server.ts';
import { type Log, withProgress } from './progress.ts';
import type { Settings } from './settings.ts';
import { localStreams } from './streams.ts';
import { startTableServer } from './table-server.ts';

/** ms for what is in flight to be finished. */
const DRAIN_MS = 2000;
/** One that starts again under its id has what it had at once. */
const BRIDGE_ID = 'local';

export type Stack = {
  natsUrl: string;
  httpPort: number;
  /** Resolves with a sentence when a part ended that the rest cannot do without. */
  broken: Promise<string>;
  /** Drains and ends everything, within five seconds. */
  stop(): Promise<void>;
};

/** Rejects with an error of one sentence; nothing is left running then. */
export const startStack = async (settings: Settings, log: Log): Promise<Stack> => {
  await using parts = new AsyncDisposableStack();
  const manifest = await readManifest('serverless.yml');
  const folder = await dataFolder(settings.DATA_DIR);
  const lock = await lockFolder(folder, log);
  parts.defer(() => lock.release());

  let bridge: Bridge | undefined;
  const http = await serveHttp({
    port: settings.HTTP_PORT,
    ready: () => bridge?.ready() ?? { ok: false, why: 'the stack is starting' },
    metrics: async () => (await bridge?.metrics()) ?? '',
  });
  parts.defer(() => http.close());

  const children: Record<string, GuardedChild> = {};
  parts.defer(async () => void (await Promise.all(Object.values(children).map((child) => child.stop()))));
  const startNats = async (): Promise<string> => {
    const binary = await findNatsServer({ log });
    const server = await startNatsServer({ binary, folder: join(folder, 'nats'), port: settings.NATS_PORT, log, holds: lock.children });
    children['nats-server'] = server;
    return server.url;
  };
  const startTable = async (): Promise<void> => {
    const server = await startTableServer({ folder: join(folder, 'table'), log, holds: lock.children });
    children['the table'] = server;
    useOwnTable(server.endpoint);
  };
  const natsUrl = settings.NATS_URL ?? (await startNats());
  if (!process.env.AWS_ENDPOINT_URL_DYNAMODB && !process.env.AWS_ENDPOINT_URL) await startTable();
  await withProgress(log, `creating the table ${settings.TABLE_NAME}`, ensureTable(tableClient(), settings.TABLE_NAME));

  const connection = await connectTo({ ...natsAddress(settings, natsUrl), name: 'mistersmith' });
  parts.defer(() => connection.close());
  await checkServer(connection);
  const manager = await jetstreamManager(connection);
  const wanted = await localStreams(manager, settings.NATS_URL ? undefined : await freeBytes(folder), workSubjects(settings));
  await withProgress(log, 'creating the streams', applyStreams(manager, wanted, log));
  await applyQueues(manager, await planQueues(manager, settings.WORK_DOMAINS));

  useSettings(settings);
  const starting = localInvoker(manifest).then((invoker) => startBridge({ manifest, connection, invoker, log, bridgeId: BRIDGE_ID }));
  const started = await withProgress(log, 'starting the bridge', starting);
  bridge = started;
  parts.defer(() => started.drain(DRAIN_MS));

  const ends = Object.entries(children).map(async ([name, child]) => `${name} ended with ${await child.exited}: see its log in ${folder}`);
  const closed = connection.closed().then((error) => `the connection to NATS was closed${error ? ` (${error.message})` : ''}`);
  const running = parts.move();
  return { natsUrl, httpPort: http.port, broken: Promise.race([...ends, closed]), stop: () => running.disposeAsync() };
};

const dataFolder = async (path: string): Promise<string> => {
  const folder = resolve(path);
  await mkdir(folder, { recursive: true }).catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`DATA_DIR ${folder} cannot be made (${cause.code}): set it to a folder that can be written`, { cause });
  });
  return folder;
};

const freeBytes = async (folder: string): Promise<number> => {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
};

/** A profile of the person's own would win over these credentials, or fail to load. */
const useOwnTable = (endpoint: string): void => {
  delete process.env.AWS_PROFILE;
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_DYNAMODB: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  });
};

/** The functions run in this process and read its environment. Their metrics are CloudWatch's, so nobody reads them here. */
const useSettings = ({ TABLE_NAME, LOG_LEVEL }: Settings): void => {
  Object.assign(process.env, { TABLE_NAME, LOG_LEVEL: LOG_LEVEL.toUpperCase() });
  process.env.POWERTOOLS_METRICS_DISABLED ??= 'true';
  // What a function gives up on is told by the bridge, in a line; its own JSON is for who asks for more.
  process.env.POWERTOOLS_LOG_LEVEL ??= LOG_LEVEL === 'info' ? 'ERROR' : LOG_LEVEL.toUpperCase();
};
