/**
 * A deployment on this machine: what runs for it in the background, and how commands find that. Everything about it is in one
 * folder; who holds its lock is the process that `deployment-host.ts` is.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { natsConflicts, natsVariables } from '../nats/nats-settings.ts';
import { workConflicts, workVariables } from '../nats/work-settings.ts';
import { checkEnvironment, type Environment, logLevel, port, refuse } from '../settings.ts';
import { hold, isHeld } from './lock.ts';
import { CACHE } from './settings.ts';

export const STAGE = 'local';
export const REGION = 'us-east-1';
export const FOLDER = join(CACHE, 'deployment');
/** The manifest that the bridge is started with; no file, no bridge. */
export const MANIFEST = join(FOLDER, 'bridge.json');
export const BRIDGE_LOG = join(FOLDER, 'bridge.log');

const STATE = join(FOLDER, 'deployment.json');

const schema = z.object({
  ...natsVariables,
  ...workVariables,
  NATS_PORT: port(4222),
  HTTP_PORT: port(8080),
  MINISTACK_PORT: port(4566),
  AWS_ENDPOINT_URL: z.url({ protocol: /^https?$/, error: 'is no address, such as http://127.0.0.1:4566' }).optional(),
  LOG_LEVEL: logLevel,
});

export type DeploymentSettings = z.infer<typeof schema>;

/** Throws a SettingsError that lists all mistakes. */
export const readDeploymentSettings = (environment: Environment): DeploymentSettings => {
  const { settings, mistakes } = checkEnvironment(schema, environment);
  const all = [...mistakes, ...natsConflicts(environment), ...(settings ? workConflicts(settings) : [])];
  return settings && all.length === 0 ? settings : refuse(all);
};

/** What runs in the background. It ends at SIGTERM; SIGHUP makes it begin again with the bridge. */
export type Running = {
  pid: number;
  endpoint: string;
  /** Whether the emulator of AWS is the deployment's own, and ends with it. */
  ownAws: boolean;
  natsUrl: string;
  /** Whether the NATS server is the deployment's own, and its data with it. */
  ownNats: boolean;
  httpPort: number;
  /** How many bridges were started so far. */
  bridges: number;
};

/** What ran last, although it may have ended since. */
export const readLast = (): Promise<Running | undefined> =>
  readFile(STATE, 'utf8').then(
    (text) => JSON.parse(text) as Running,
    () => undefined,
  );

/** Undefined where nothing runs. */
export const readRunning = async (): Promise<Running | undefined> => (isHeld(join(FOLDER, 'stack.lock')) ? readLast() : undefined);

export const writeRunning = async (running: Running): Promise<void> => {
  // NATS_URL may hold a password.
  await writeFile(`${STATE}.new`, JSON.stringify(running), { mode: 0o600 });
  await rename(`${STATE}.new`, STATE);
};

/** For a command that changes the deployment, as long as its process lives. Rejects where another one is at it. */
export const workAlone = async (): Promise<void> => {
  await mkdir(FOLDER, { recursive: true });
  const lock = join(FOLDER, 'command.lock');
  if (isHeld(lock)) throw new Error('another deploy:local or remove:local is at work: wait until it has ended');
  await hold(lock);
};

/** What clients of AWS are told here: an emulator believes any key, and a profile of the person's own would win over it. */
export const awsEnvironment = (endpoint: string, environment: Environment): Environment => {
  const { AWS_PROFILE, AWS_ACCESS_KEY_ID = 'test', AWS_SECRET_ACCESS_KEY = 'test', ...rest } = environment;
  const others = Object.entries(rest).filter(([name]) => !name.startsWith('AWS_ENDPOINT_URL'));
  return { ...Object.fromEntries(others), AWS_ENDPOINT_URL: endpoint, AWS_REGION: REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY };
};
