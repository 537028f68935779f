/** The bridge as a process of its own, with functions at AWS Lambda: `node infra/bridge/main.ts --help` lists its settings. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as later } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { WRITE_MARGIN_MS } from '#shared/table/client.ts';
import { checkServer } from '../nats/apply.ts';
import { waitForNats } from '../nats/connect.ts';
import { natsAddress } from '../nats/nats-settings.ts';
import { withoutEmpty } from '../settings.ts';
import { type Bridge, startBridge } from './bridge.ts';
import { HELP, readBridgeSettings } from './bridge-settings.ts';
import { serveHttp } from './http.ts';
import { lambdaInvoker } from './invoke/lambda-invoker.ts';
import { createLog, type Log } from './log.ts';
import { writeEmf } from './observe/emf.ts';
import { type BridgeMetrics, createMetrics } from './observe/metrics.ts';
import { startTracing } from './observe/start-tracing.ts';
import type { Tracing } from './observe/tracing.ts';
import { watchConnection } from './watch-connection.ts';

/** One token of a subject; two bridges on a host are two. */
const bridgeId = `${hostname().replace(/[^A-Za-z0-9_-]/g, '-')}-${randomBytes(3).toString('hex')}`;

const signalled = new Promise<undefined>((resolve) => {
  let signals = 0;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      if (++signals > 1) process.exit(1);
      resolve(undefined);
    });
});

type Read = Awaited<ReturnType<typeof readBridgeSettings>>;
type Seen = { metrics: BridgeMetrics; tracing: Tracing | undefined };
type Running = { connection: NatsConnection; bridge: Bridge };

const connect = ({ settings }: Read, log: Log): Promise<NatsConnection> =>
  waitForNats({ ...natsAddress(settings, settings.NATS_URL), name: `mistersmith-bridge ${bridgeId}` }, log.warn);

const start = async (connection: NatsConnection, { manifest, prefix }: Read, { metrics, tracing }: Seen, log: Log): Promise<Running> => {
  log.info(`connected to NATS at ${connection.getServer()}`);
  void watchConnection(connection, log);
  await checkServer(connection);
  const invoker = lambdaInvoker({ manifest, writeMargin: WRITE_MARGIN_MS, prefix, environment: withoutEmpty(process.env) });
  return { connection, bridge: await startBridge({ manifest, connection, invoker, bridgeId, metrics, tracing, log: log.info }) };
};

const drain = async ({ connection, bridge }: Running, seconds: number, log: Log): Promise<void> => {
  log.info(`stopping: finishing what is in flight, for at most ${seconds} s`);
  const late = setTimeout(() => log.warn(`not all was finished within ${seconds} s: NATS delivers the rest again`), seconds * 1000);
  await bridge.drain(seconds * 1000);
  clearTimeout(late);
  await connection.close();
};

/** Until a signal comes or NATS does not want it any more. Answers the exit code. */
const serve = async (read: Read, log: Log): Promise<number> => {
  const { settings, prefix } = read;
  const metrics = createMetrics();
  const tracing = await startTracing(log.warn, withoutEmpty(process.env));
  const stopEmf = settings.METRICS_EMF === 'on' ? writeEmf({ metrics, prefix, write: (line) => write(`${line}\n`) }) : undefined;
  let bridge: Bridge | undefined;
  let stopping = false;
  const http = await serveHttp({
    host: settings.HTTP_HOST,
    port: settings.HTTP_PORT,
    // Once it was, for ever: an outage of NATS is nothing that another process would help.
    healthy: () => (bridge ? { ok: true } : { ok: false, why: 'not yet connected to NATS' }),
    ready: () => (stopping ? { ok: false, why: 'the bridge is stopping' } : (bridge?.ready() ?? { ok: false, why: 'connecting to NATS' })),
    metrics: metrics.text,
  });
  log.info(`HTTP at http://${settings.HTTP_HOST}:${http.port}`);

  const connection = await Promise.race([connect(read, log), signalled]);
  if (!connection) return 0;
  // What has been taken by then has messages in flight.
  const patience = signalled.then(() => later(settings.DRAIN_SECONDS * 1000, undefined));
  const running = await Promise.race([start(connection, read, { metrics, tracing }, log), patience]);
  if (!running) return 0;
  bridge = running.bridge;
  log.info('the bridge is ready');
  const closed = running.connection.closed().then((error) => (error ? error.message : 'it was closed'));
  const why = await Promise.race([closed, signalled]);
  stopping = true;
  if (why !== undefined) {
    log.error(`NATS ended the connection (${why}): correct the credentials or permissions if it does so again`);
    return 1;
  }
  await drain(running, settings.DRAIN_SECONDS, log);
  stopEmf?.();
  await tracing?.stop();
  return 0;
};

const run = async (): Promise<number> => {
  const options = process.argv.slice(2);
  if (options.includes('--help') || options.includes('-h')) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  if (options.length > 0) throw new Error(`there is no option ${options[0]}: settings are environment variables, see --help`);
  const read = await readBridgeSettings(process.env);
  const { LOG_LEVEL, LOG_FORMAT } = read.settings;
  return serve(read, createLog({ level: LOG_LEVEL, format: LOG_FORMAT, bridge: bridgeId, write }));
};

const write = (line: string): void => void process.stdout.write(line);

const fail = (message: string): never => {
  const format = process.env.LOG_FORMAT?.toLowerCase() === 'json' ? 'json' : 'text';
  createLog({ level: 'error', format, bridge: bridgeId, write }).error(message);
  process.exit(1);
};

process.on('uncaughtException', (error) => fail(`this is a bug of the bridge: ${error.stack}`));
run().then(process.exit, (error: Error) => fail(error.message));
