/** `npm run deploy:local`: the service deployed to an emulator of AWS, with NATS and the bridge in the background. */
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { carryOut, checkServer, planStreams } from '../nats/apply.ts';
import { runCommand } from '../nats/command.ts';
import { connectTo, publicUrl } from '../nats/connect.ts';
import { NATS_HELP, natsAddress } from '../nats/nats-settings.ts';
import { applyQueues, planQueues } from '../nats/queues.ts';
import { WORK_HELP, workSubjects } from '../nats/work-settings.ts';
import { replaceBridge, startBackground, stopBackground } from './background.ts';
import {
  BRIDGE_LOG,
  type DeploymentSettings,
  MANIFEST,
  type Running,
  readDeploymentSettings,
  readRunning,
  workAlone,
} from './deployment.ts';
import { probe } from './deployment-probe.ts';
import { osls } from './osls.ts';
import { withProgress } from './progress.ts';
import { ROOT } from './settings.ts';
import { localStreams } from './streams.ts';

const HELP = `npm run deploy:local: deploys to an emulator of AWS on this machine, and leaves it running in the background.

Again: deploys what has changed since; what is stored stays. npm run remove:local ends and removes all of it.

Settings are environment variables:
  AWS_ENDPOINT_URL  a MiniStack or LocalStack that runs already, instead of one of its own
  NATS_URL          a NATS server that runs already (2.12 or later, JetStream), instead of one of its own
${NATS_HELP}
${WORK_HELP}
  MINISTACK_PORT    port of its own MiniStack (4566; 0: any free one)
  NATS_PORT         port of its own NATS server (4222; 0: any free one)
  HTTP_PORT         port of the bridge's /healthz, /readyz and /metrics (8080; 0: any free one)
  LOG_LEVEL         debug: shows what osls says (info)

MiniStack and nats-server are installed into .mistersmith where they are missing, with pip; nothing is installed system-wide.
Everything listens on 127.0.0.1. Logs are in .mistersmith/deployment.`;

const READY_MS = 30_000;
const POLL_MS = 50;

type Say = (sentence: string) => void;

/** Ctrl-C ends what this has started, too. It comes twice where npm passes on what the terminal has sent. */
const interruption = new AbortController();
const interrupted = interruption.signal;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interruption.abort(new Error(`${signal}: not deployed`)));

const portOf = (url: string): number => Number(new URL(url).port);

/** Only what is set; a port that is 0 may be any, and a server that is not its own has none to set. */
const checkSame = ({ endpoint, natsUrl, ownAws, ownNats, httpPort }: Running, settings: DeploymentSettings): void => {
  const used = {
    AWS_ENDPOINT_URL: endpoint,
    NATS_URL: natsUrl,
    HTTP_PORT: httpPort,
    ...(ownAws && { MINISTACK_PORT: portOf(endpoint) }),
    ...(ownNats && { NATS_PORT: portOf(natsUrl) }),
  };
  for (const [name, value] of Object.entries(used)) {
    const wanted = process.env[name] ? settings[name as keyof typeof used] : 0;
    if (wanted === 0 || wanted === value) continue;
    const shown = typeof value === 'string' ? publicUrl(value) : value;
    throw new Error(`a deployment runs already, and its ${name} is ${shown}: leave ${name} out, or npm run remove:local first`);
  }
};

/** Starts the bridge anew with the manifest of this deployment, and waits until it is ready. */
const startBridge = async (running: Running): Promise<void> => {
  await copyFile(join(ROOT, '.serverless/bridge.json'), MANIFEST);
  replaceBridge(running);
  let why = 'it did not start';
  for (const until = Date.now() + READY_MS; Date.now() < until; await pause(POLL_MS)) {
    interrupted.throwIfAborted();
    const { bridges = 0 } = (await readRunning()) ?? {};
    if (bridges === running.bridges) continue;
    const answer = await fetch(`http://127.0.0.1:${running.httpPort}/readyz`).catch(() => undefined);
    why = (await answer?.text()) ?? why;
    if (answer?.ok) return;
  }
  const [last = why] = (await readFile(BRIDGE_LOG, 'utf8').catch(() => '')).trim().split('\n').slice(-1);
  throw new Error(`the bridge was not ready within ${READY_MS / 1000} s (${last}): its log is ${BRIDGE_LOG}`);
};

/** What can be refused is looked at before anything is changed. Where it is interrupted, nothing goes on after it has rejected. */
const deploy = async (settings: DeploymentSettings, running: Running, say: Say): Promise<void> => {
  const connection = await connectTo({ ...natsAddress(settings, running.natsUrl), name: 'deploy:local' });
  try {
    await checkServer(connection);
    const manager = await jetstreamManager(connection);
    const plan = await planStreams(manager, await localStreams(manager, undefined, workSubjects(settings)));
    const queues = await planQueues(manager, settings.WORK_DOMAINS);
    const verbose = settings.LOG_LEVEL === 'debug';
    const packaged = osls('deploy', { endpoint: running.endpoint, verbose, signal: interrupted });
    await withProgress(say, 'osls is packaging and deploying', packaged);
    interrupted.throwIfAborted();
    await withProgress(say, 'the streams are created', carryOut(manager, plan, say));
    await applyQueues(manager, queues);
    await withProgress(say, 'the bridge is starting', startBridge(running));
    await withProgress(say, 'an event is tried', probe(connection));
  } finally {
    await connection.close();
  }
};

const run = async ([option]: string[], say: Say): Promise<void> => {
  if (option !== undefined)
    throw new Error(`there is no option ${option}: settings are environment variables, see npm run deploy:local -- --help`);
  const settings = readDeploymentSettings(process.env);
  await workAlone();
  const before = await readRunning();
  if (before) checkSame(before, settings);
  const running = before ?? (await startBackground(say, interrupted));
  try {
    await deploy(settings, running, say);
  } catch (error) {
    if (!before) await stopBackground(running);
    throw error;
  }
  const { natsUrl, httpPort, endpoint } = running;
  say(
    `MisterSmith is deployed: NATS at ${publicUrl(natsUrl)}, HTTP at http://127.0.0.1:${httpPort}, AWS at ${endpoint}; npm run remove:local removes it`,
  );
};

await runCommand(HELP, run);
