/**
 * The bridge as one process, built as its Dockerfile builds it: it starts in a folder that holds nothing but the manifest,
 * invokes functions behind the Lambda API, and is ended as an orchestrator ends it.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { applyStreams } from '#infra/nats/apply.ts';
import { connectTo } from '#infra/nats/connect.ts';
import { streams } from '#infra/nats/streams.ts';
import type { Batch } from '#shared/contract.ts';
import { type BridgeProcess, startBridgeProcess } from '#test/support/bridge-process.ts';
import { buildWithoutDocker, type Instruction, parseDockerfile } from '#test/support/dockerfile.ts';
import { hosts, startLambdaApi } from '#test/support/lambda-api.ts';
import { type ConfiguredNats, configuredNats } from '#test/support/nats-with.ts';

const MANIFEST = `service: shop
provider: { name: aws }
functions:
  till:
    handler: till.handler
    events:
      - nats: { name: sales, stream: ALERTS, subjects: [alerts.low], publishes: [notifications.>] }
`;

let folder: string;
let image: string;
let instructions: Instruction[];
const said = (name: string) => instructions.filter((instruction) => instruction.name === name).map(({ args }) => args);
const command = (name: string) => JSON.parse(/\[.*\]/.exec(said(name)[0] ?? '')?.[0] ?? '[]') as string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mistersmith-bridge-'));
  image = join(folder, 'image');
  instructions = parseDockerfile(await readFile('infra/bridge/Dockerfile', 'utf8'));
  await buildWithoutDocker({ instructions, context: process.cwd(), stage: join(folder, 'stage'), image });
  await writeFile(join(image, 'serverless.yml'), MANIFEST);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the image', () => {
  it('is built by steps that work, and holds the bundle alone', async () => {
    expect(await readdir(image)).toEqual(['bridge.mjs', 'bridge.mjs.map', 'serverless.yml']);
  });

  it('builds only with scripts that package.json has', async () => {
    const { scripts } = JSON.parse(await readFile('package.json', 'utf8')) as { scripts: Record<string, string> };
    const ran = said('RUN').map((run) => run.replace('npm run ', ''));
    expect(ran.filter((script) => script !== 'npm ci' && !scripts[script])).toEqual([]);
  });

  it('runs as a user who is not root, in exec form, so that SIGTERM arrives', () => {
    expect(said('USER')).toEqual(['node']);
    expect(command('ENTRYPOINT')).toEqual(['node', '--enable-source-maps', 'bridge.mjs']);
  });

  it('pins Node and carries no credentials', () => {
    for (const from of said('FROM')) expect(from).toMatch(/^(--platform=\$BUILDPLATFORM )?node:24-slim\b/);
    expect(said('ENV').join(' ')).toBe('NODE_ENV=production HTTP_HOST=0.0.0.0 LOG_FORMAT=json');
    expect(said('ARG')).toEqual([]);
  });
});

describe('the bridge as a process', () => {
  let nats: ConfiguredNats;
  let nc: NatsConnection;
  let api: Awaited<ReturnType<typeof startLambdaApi>>;
  let bridges: BridgeProcess[];
  /** What came to the function. */
  let rung: string[];
  let finish: () => void;
  const jetStream = () => `jetstream { store_dir: ${JSON.stringify(join(folder, String(nats.port)))} }`;

  /** Answers at once, but for `slow` when the test says so. */
  const till = async ({ Records }: Batch) => {
    rung.push(...Records.map(({ data }) => data));
    if (Records.some(({ data }) => data === 'slow')) await new Promise<void>((resolve) => (finish = resolve));
    const publish = Records.map(({ id, data }) => ({ cause: id, subject: `notifications.${data}`, data }));
    return { batchItemFailures: [], publish, timers: [] };
  };

  beforeEach(async () => {
    [nats, api] = [await configuredNats(folder), await startLambdaApi(hosts({ 'shop-dev-till': till }))];
    [bridges, rung] = [[], []];
  });
  afterEach(async () => {
    for (const { child } of bridges) child.kill('SIGKILL');
    await nc?.close();
    await Promise.all([nats.stop(), api.close()]);
  });

  const startNats = async (more = ''): Promise<void> => {
    await nats.start(`${jetStream()}\n${more}`);
    nc = await connectTo({ url: nats.url, name: 'test', ...(more && { user: 'test', password: 'test' }) });
    await applyStreams(await jetstreamManager(nc), streams({ replicas: 1, bytes: 1e9 }), () => {});
  };
  const startBridge = (env: Record<string, string> = {}): BridgeProcess => {
    const address = { NATS_URL: nats.url, AWS_ENDPOINT_URL_LAMBDA: api.endpoint, HTTP_PORT: '0' };
    const bridge = startBridgeProcess(command('ENTRYPOINT'), image, { ...address, ...env });
    bridges.push(bridge);
    return bridge;
  };
  const get = async (bridge: BridgeProcess, path: string) => {
    const response = await fetch(`${bridge.http()}${path}`);
    return [response.status, await response.text()];
  };
  const soon = (assert: () => unknown) => vi.waitFor(assert, { timeout: 15_000, interval: 50 });
  const ready = (bridge: BridgeProcess) => soon(async () => expect(await get(bridge, '/readyz')).toEqual([200, 'ready\n']));
  const notified = async (what: string) => {
    const message = await (await jetstreamManager(nc)).streams.getMessage('ALERTS', { last_by_subj: `notifications.${what}` });
    expect(message?.string()).toBe(what);
  };
  const publish = (data: string) => jetstream(nc).publish('alerts.low', data);

  it('invokes a function of its manifest and publishes what it answers', async () => {
    await startNats();
    const bridge = startBridge();
    await ready(bridge);
    await publish('sold');
    await soon(() => notified('sold'));
    expect(rung).toEqual(['sold']);
  });

  it('writes metrics for CloudWatch with METRICS_EMF=on, the last when it ends', async () => {
    await startNats();
    const bridge = startBridge({ METRICS_EMF: 'on' });
    await ready(bridge);
    await publish('sold');
    await soon(() => notified('sold'));
    bridge.child.kill('SIGTERM');
    await bridge.exited;
    const lines = bridge
      .output()
      .split('\n')
      .filter((line) => line.includes('"EventSource":"till.sales"'));
    expect(lines.map((line) => JSON.parse(line).PolledEventCount)).toEqual([1]);
  });

  it('is found healthy by the check of the image', async () => {
    await startNats();
    const bridge = startBridge();
    await ready(bridge);
    const [, ...args] = command('HEALTHCHECK');
    const check = (port: string) => promisify(execFile)(process.execPath, args, { env: { HTTP_PORT: port } });
    await expect(check(new URL(bridge.http()).port)).resolves.toBeDefined();
    await expect(check('1')).rejects.toMatchObject({ code: 1 });
  });

  it('waits for NATS, and is neither healthy nor ready until then', async () => {
    await startNats();
    await nats.stop();
    const bridge = startBridge();
    await soon(async () => expect(await get(bridge, '/readyz')).toEqual([503, 'not ready: connecting to NATS\n']));
    expect(await get(bridge, '/healthz')).toEqual([503, 'not yet connected to NATS\n']);
    await soon(() => expect(bridge.output()).toContain(`warn waiting for NATS: the NATS server at ${nats.url} cannot be used`));
    await nats.start(jetStream());
    await ready(bridge);
    expect(await get(bridge, '/healthz')).toEqual([200, 'ok\n']);
  });

  it('goes on when NATS was away, and is healthy meanwhile', async () => {
    await startNats();
    const bridge = startBridge();
    await ready(bridge);
    await nc.close();
    await nats.stop();
    await soon(() => expect(bridge.output()).toContain('is lost: connecting again'));
    expect(await get(bridge, '/healthz')).toEqual([200, 'ok\n']);
    await startNats();
    await soon(() => expect(bridge.output()).toMatch(/info connected to NATS at .* again/));
    await publish('later');
    await soon(() => notified('later'));
  });

  it('finishes what is in flight on SIGTERM and ends with 0', async () => {
    await startNats();
    const bridge = startBridge();
    await ready(bridge);
    await publish('slow');
    await soon(() => expect(rung).toEqual(['slow']));
    bridge.child.kill('SIGTERM');
    await soon(() => expect(bridge.output()).toContain('stopping: finishing what is in flight, for at most 25 s'));
    expect(await get(bridge, '/readyz')).toEqual([503, 'not ready: the bridge is stopping\n']);
    finish();
    expect(await bridge.exited).toBe(0);
    await notified('slow');
  });

  it('gives up on what is in flight after DRAIN_SECONDS', async () => {
    await startNats();
    const bridge = startBridge({ DRAIN_SECONDS: '1' });
    await ready(bridge);
    await publish('slow');
    await soon(() => expect(rung).toEqual(['slow']));
    bridge.child.kill('SIGTERM');
    expect(await bridge.exited).toBe(0);
    expect(bridge.output()).toContain('warn not all was finished within 1 s: NATS delivers the rest again');
  });

  it('ends at once at a second signal', async () => {
    await startNats();
    const bridge = startBridge();
    await ready(bridge);
    await publish('slow');
    await soon(() => expect(rung).toEqual(['slow']));
    bridge.child.kill('SIGTERM');
    await soon(() => expect(bridge.output()).toContain('stopping'));
    bridge.child.kill('SIGINT');
    expect(await bridge.exited).toBe(1);
  });

  it('ends on SIGTERM while it waits for NATS', async () => {
    const bridge = startBridge();
    await soon(() => expect(bridge.output()).toContain('waiting for NATS'));
    bridge.child.kill('SIGTERM');
    expect(await bridge.exited).toBe(0);
  });

  const users = (...names: string[]) =>
    `authorization { users: [${names.map((name) => `{ user: ${name}, password: ${name} }`).join(', ')}] }`;

  it('ends with a sentence and 1 where its credentials are wrong', async () => {
    await startNats(users('test'));
    const bridge = startBridge({ NATS_USER: 'bridge', NATS_PASSWORD: 'hunter2' });
    expect(await bridge.exited).toBe(1);
    expect(bridge.output()).toMatch(/error the NATS server at .* refuses these credentials \(Authorization Violation\)/);
    expect(bridge.output()).not.toContain('hunter2');
  });

  it('ends with a sentence and 1 where its user is taken away', async () => {
    await startNats(users('test', 'bridge'));
    const bridge = startBridge({ NATS_USER: 'bridge', NATS_PASSWORD: 'bridge' });
    await ready(bridge);
    await nc.close();
    await nats.stop();
    await startNats(users('test'));
    expect(await bridge.exited).toBe(1);
    expect(bridge.output()).toMatch(/error NATS ended the connection \(.*Authorization Violation.*\): correct the credentials/);
  });

  it('lists all mistakes at once, before the first connection', async () => {
    const connections = api.connections();
    const bridge = startBridge({ NATS_URL: '', HTTP_PORT: 'x', MANIFEST: 'none.yml' });
    expect(await bridge.exited).toBe(1);
    const lines = bridge.output().trim().split('\n');
    expect(lines).toEqual([
      expect.stringMatching(/ error the environment is wrong: NATS_URL: is needed: .*; HTTP_PORT \("x"\): is not a port: /),
      expect.stringMatching(/^none.yml cannot be read \(ENOENT\)/),
    ]);
    expect(api.connections()).toBe(connections);
  });

  it('logs JSON a line, with time, level, message and bridge', async () => {
    const bridge = startBridge({ LOG_FORMAT: 'json' });
    await soon(() => expect(bridge.output()).toContain('waiting for NATS'));
    const [first] = bridge.output().split('\n');
    expect(JSON.parse(first ?? '')).toEqual({
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      level: 'info',
      message: expect.stringContaining('HTTP at'),
      bridge: expect.stringMatching(/^[A-Za-z0-9_-]+-[0-9a-f]{6}$/),
    });
  });

  it('lists its settings with --help', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['bridge.mjs', '--help'], { cwd: image });
    expect(stdout).toContain('DRAIN_SECONDS what is in flight may take so long after SIGTERM (25; 1 to 900)');
  });
});
