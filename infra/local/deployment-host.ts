/**
 * The process that keeps a local deployment running in the background: MiniStack, nats-server and the bridge, unless the first
 * two run elsewhere. `deploy.ts` starts it and listens to what it says while it starts.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { serveHttp } from '../bridge/http.ts';
import {
  awsEnvironment,
  BRIDGE_LOG,
  type DeploymentSettings,
  FOLDER,
  MANIFEST,
  type Running,
  readDeploymentSettings,
  STAGE,
  writeRunning,
} from './deployment.ts';
import { findNatsServer } from './find-nats-server.ts';
import { type GuardedChild, spawnGuarded } from './guarded-child.ts';
import { exists } from './install.ts';
import { type FolderLock, lockFolder } from './lock.ts';
import { DEPLOYMENT_SERVICES, startMinistack } from './ministack.ts';
import { startNatsServer } from './nats-server.ts';
import { ROOT } from './settings.ts';

/** A message while it starts. */
export type HostMessage = { progress: string } | { running: Running } | { failed: string };

/** ms before a bridge that ended is started again. */
const AGAIN_MS = 1000;
const ANSWER_MS = 5000;

const tell = (message: HostMessage, told = (): void => undefined): void => void process.send?.(message, told);
const log = (progress: string): void => tell({ progress });

/** The port of its bridge: one that is free now. */
const reservePort = async (port: number): Promise<number> => {
  const http = await serveHttp({ port, ready: () => ({ ok: false }), metrics: async () => '' });
  await http.close();
  return http.port;
};

const answering = async (endpoint: string): Promise<string> => {
  await fetch(endpoint, { signal: AbortSignal.timeout(ANSWER_MS) }).catch((cause) => {
    throw new Error(`nothing answers at AWS_ENDPOINT_URL (${endpoint}): start what should, or leave it out`, { cause });
  });
  return endpoint;
};

type Children = Record<string, GuardedChild>;

const startServers = async (settings: DeploymentSettings, lock: FolderLock, children: Children): Promise<Running> => {
  const httpPort = await reservePort(settings.HTTP_PORT);
  const startAws = async () => {
    const where = { port: settings.MINISTACK_PORT, folder: join(FOLDER, 'aws'), holds: lock.children };
    const server = await startMinistack({ ...where, services: DEPLOYMENT_SERVICES, log });
    children.MiniStack = server;
    return server.endpoint;
  };
  const startNats = async () => {
    const binary = await findNatsServer({ log });
    const folder = join(FOLDER, 'nats');
    const server = await startNatsServer({ binary, folder, port: settings.NATS_PORT, log, holds: lock.children });
    children['nats-server'] = server;
    return server.url;
  };
  const endpoint = settings.AWS_ENDPOINT_URL ? await answering(settings.AWS_ENDPOINT_URL) : await startAws();
  const natsUrl = settings.NATS_URL ?? (await startNats());
  const own = { ownAws: !settings.AWS_ENDPOINT_URL, ownNats: !settings.NATS_URL };
  return { pid: process.pid, endpoint, natsUrl, ...own, httpPort, bridges: 0 };
};

/** Answers a function that ends the bridge that runs, and starts one where there is a manifest for it. */
const bridgeKeeper = (running: Running, children: Children, holds: number) => {
  const start = async (): Promise<void> => {
    const env = {
      ...awsEnvironment(running.endpoint, process.env),
      ...{ NATS_URL: running.natsUrl, MANIFEST, STAGE, HTTP_PORT: String(running.httpPort), DRAIN_SECONDS: '1' },
    };
    const bridge = spawnGuarded({ command: process.execPath, args: [join(ROOT, 'infra/bridge/main.ts')], env, logFile: BRIDGE_LOG, holds });
    children.bridge = bridge;
    running.bridges++;
    await writeRunning(running);
    void bridge.exited.then(async () => {
      await pause(AGAIN_MS);
      if (children.bridge === bridge) await replace();
    });
  };
  const replace = async (): Promise<void> => {
    const { bridge } = children;
    delete children.bridge;
    await bridge?.stop();
    if (await exists(MANIFEST)) await start();
  };
  let last = Promise.resolve();
  return (): void => {
    last = last.then(replace);
  };
};

const signalled = new Promise<void>((resolve) => {
  process.once('SIGTERM', resolve);
  // Where the servers are elsewhere nothing else keeps this process alive.
  setInterval(() => undefined, 60_000);
});

const run = async (): Promise<void> => {
  const settings = readDeploymentSettings(process.env);
  await mkdir(FOLDER, { recursive: true });
  const lock = await lockFolder(FOLDER, log);
  // What an earlier one stored is of a table that is gone.
  for (const left of ['aws', 'nats', 'bridge.json']) await rm(join(FOLDER, left), { recursive: true, force: true });
  const children: Children = {};
  const running = await startServers(settings, lock, children);
  const ends = Object.entries(children).map(async ([name, { exited }]) => console.error(`${name} ended with ${await exited}`));
  process.on('SIGHUP', bridgeKeeper(running, children, lock.children));
  await writeRunning(running);
  process.off('disconnect', process.exit);
  tell({ running });
  await Promise.race([signalled, ...ends]);
  const { bridge, ...servers } = children;
  delete children.bridge;
  await bridge?.stop();
  await Promise.all(Object.values(servers).map((child) => child.stop()));
};

// Whoever asked for it is gone before it stands: its children end with it.
process.once('disconnect', process.exit);
run().then(
  () => process.exit(0),
  (error: Error) => tell({ failed: error.message }, () => process.exit(1)),
);
