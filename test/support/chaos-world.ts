/** Everything that can be killed, each a process of its own: nats-servers, bridges, a host of functions; and a table that stays. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type JetStreamManager, jetstreamManager, type StreamConfig } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { vi } from 'vitest';
import { findNatsServer } from '#infra/local/find-nats-server.ts';
import { freePort } from '#infra/local/free-port.ts';
import { applyStreams } from '#infra/nats/apply.ts';
import { connectTo } from '#infra/nats/connect.ts';
import { type StreamSpec, streams } from '#infra/nats/streams.ts';
import { type CarefulClient, carefulClient } from './careful-client.ts';
import { type Program, startProgram } from './program.ts';
import { setupTable, type TestTable } from './table.ts';

/** A tenth of production's, so that a killed bridge is missed for seconds less. */
const LEASE_MS = 3000;
const PATIENT = { timeout: 30_000, interval: 100 };

export type ChaosOptions = {
  /** How many nats-servers, and so replicas. */
  servers?: 1 | 3;
  /** Where they listen. */
  natsAddress?: string;
  lambdaAddress?: string;
  /** Of both functions. */
  retry?: string;
  batchSize?: number;
  concurrency?: number;
  /** Of the stream that outputs go to. */
  sums?: Partial<StreamConfig>;
};

export type BridgeProgram = Program & {
  http: string;
  /** What /readyz says; empty where nobody answers. */
  readyz(): Promise<string>;
  /** The value of a gauge or counter, summed over its labels that contain `labels`. */
  metric(name: string, labels?: string): Promise<number>;
};

export type ChaosWorld = {
  servers: Program[];
  natsUrl: string;
  host: Program;
  lambda: string;
  table: TestTable;
  client: CarefulClient;
  manager: JetStreamManager;
  /** A bridge that runs the functions in its own process. */
  startLocalBridge(): Promise<BridgeProgram>;
  /** Of `inside` the command that runs it, such as one that enters a network namespace; at `address` it is reached then. */
  startBridge(env?: Record<string, string>, inside?: { command: readonly string[]; address: string }): Promise<BridgeProgram>;
  stop(): Promise<void>;
};

const manifestOf = ({ retry = 'attempts: 100, backoff: [50, 200]', batchSize = 50, concurrency = 4 }: ChaosOptions): string => {
  const fn = (name: string, ordered: boolean) => `
  ${name}:
    handler: ${resolve('test/support/tally')}.${name}
    name: ${name}
    timeout: 1
    events:
      - nats:
          { stream: ADDED, subjects: [added.${name}.*], groupBy: $3, ordered: ${ordered}, batchSize: ${batchSize},
            concurrency: ${concurrency}, retry: { ${retry} }, publishes: [sums.>] }`;
  return `service: chaos\nprovider: { name: aws }\nfunctions:${fn('tally', false)}${fn('ledger', true)}\n`;
};

/** The product's, and the two of `tally.ts`. */
const wantedStreams = ({ servers = 1, sums = {} }: ChaosOptions): StreamSpec[] => {
  const own = { num_replicas: servers, allow_direct: true, allow_atomic: true, duplicate_window: nanos(600_000) };
  return [
    ...streams({ replicas: servers, bytes: 1e9 }).map((spec) =>
      spec.name === 'KV_BRIDGE_LEASES' ? { ...spec, max_age: nanos(LEASE_MS), duplicate_window: nanos(LEASE_MS) } : spec,
    ),
    { name: 'ADDED', subjects: ['added.>'], ...own },
    { name: 'SUMS', subjects: ['sums.>'], ...own, ...sums },
  ];
};

const startServers = async (folder: string, count: number, address: string): Promise<{ servers: Program[]; natsUrl: string }> => {
  const binary = await findNatsServer({ log: console.info });
  const all = await Promise.all(Array.from({ length: count }, async () => ({ port: await freePort(), route: await freePort() })));
  const routes = all.map(({ route }) => `nats-route://127.0.0.1:${route}`).join(', ');
  const start = async ({ port, route }: { port: number; route: number }, n: number) => {
    const cluster = count > 1 ? `cluster { name: chaos, listen: "127.0.0.1:${route}", routes: [${routes}] }` : '';
    const file = join(folder, `nats-${n}.conf`);
    const store = JSON.stringify(join(folder, `nats-${n}`));
    await writeFile(file, `server_name: n${n}\nlisten: "${address}:${port}"\njetstream { store_dir: ${store} }\n${cluster}\n`);
    return startProgram(binary, ['-c', file]);
  };
  return { servers: await Promise.all(all.map(start)), natsUrl: all.map(({ port }) => `nats://${address}:${port}`).join(',') };
};

const bridgeProgram = (program: Program, http: string): BridgeProgram => {
  const get = async (path: string): Promise<string> => {
    try {
      return await (await fetch(http + path, { signal: AbortSignal.timeout(2000) })).text();
    } catch {
      return '';
    }
  };
  return {
    ...program,
    http,
    readyz: () => get('/readyz'),
    metric: async (name, labels = '') => {
      const lines = (await get('/metrics')).split('\n').filter((line) => line.startsWith(`mistersmith_bridge_${name}`));
      return lines.filter((line) => line.includes(labels)).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    },
  };
};

export const setupChaos = async (options: ChaosOptions = {}): Promise<ChaosWorld> => {
  const { servers: count = 1, natsAddress = '127.0.0.1', lambdaAddress = '127.0.0.1' } = options;
  const folder = await mkdtemp(join(tmpdir(), 'mistersmith-chaos-'));
  const [table, { servers, natsUrl }] = await Promise.all([setupTable(), startServers(folder, count, natsAddress)]);
  const started: Program[] = [...servers];

  const nc = await vi.waitFor(() => connectTo({ url: natsUrl, name: 'set up' }), PATIENT);
  await vi.waitFor(async () => applyStreams(await jetstreamManager(nc), wantedStreams(options), () => {}), PATIENT);
  await nc.close();
  const client = await carefulClient(natsUrl.split(','));
  const manifest = join(folder, 'serverless.yml');
  await writeFile(manifest, manifestOf(options));

  const lambdaPort = await freePort();
  const lambda = `http://${lambdaAddress}:${lambdaPort}`;
  const functions = {
    TABLE_NAME: table.tableName,
    AWS_ENDPOINT_URL_DYNAMODB: table.endpoint,
    POWERTOOLS_METRICS_DISABLED: 'true',
    POWERTOOLS_LOG_LEVEL: 'CRITICAL',
  };
  const start = (command: string, args: readonly string[], env: Record<string, string>): Program => {
    const program = startProgram(command, args, env);
    started.push(program);
    return program;
  };
  const host = start(process.execPath, [resolve('test/support/function-host.ts'), lambdaAddress, String(lambdaPort)], functions);
  const settings = { NATS_URL: natsUrl, MANIFEST: manifest, AWS_ENDPOINT_URL_LAMBDA: lambda };

  return {
    servers,
    natsUrl,
    host,
    lambda,
    table,
    client,
    manager: await jetstreamManager(client.nc),
    async startBridge(env = {}, inside = { command: [], address: '127.0.0.1' }) {
      const port = await freePort();
      const [command = '', ...args] = [...inside.command, process.execPath, resolve('infra/bridge/main.ts')];
      const http = { HTTP_HOST: inside.address, HTTP_PORT: String(port) };
      return bridgeProgram(start(command, args, { ...settings, ...http, ...env }), `http://${inside.address}:${port}`);
    },
    async startLocalBridge() {
      const port = await freePort();
      const env = { ...settings, ...functions, HTTP_PORT: String(port) };
      return bridgeProgram(start(process.execPath, [resolve('test/support/local-bridge.ts')], env), `http://127.0.0.1:${port}`);
    },
    async stop() {
      await client.close();
      await Promise.all(started.map((program) => program.stop()));
      await table.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
