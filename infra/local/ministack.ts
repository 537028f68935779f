/** MiniStack from PyPI, an emulator of AWS that needs no container: it runs functions with the Node that runs this. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { answers } from './answers.ts';
import { freePort } from './free-port.ts';
import { type GuardedChild, type GuardedCommand, spawnGuarded } from './guarded-child.ts';
import { exists, install, pip } from './install.ts';
import { type Log, withProgress } from './progress.ts';
import { CACHE } from './settings.ts';

const VERSION = '1.5.33';
const PORTS_TRIED = 3;
/** What a shell exits with. */
const NO_SUCH_COMMAND = 127;

/** What a deployment asks for: the template's resources, and what osls looks at. */
export const DEPLOYMENT_SERVICES = ['cloudformation', 'cloudwatch', 'dynamodb', 'ecr', 'iam', 'lambda', 'logs', 's3', 'sts'];

/** The folder that it is in, where it is put at the first call. Rejects with what pip says. */
export const installMinistack = async (log: Log): Promise<string> => {
  const path = join(CACHE, `ministack-${VERSION}`);
  if (!(await exists(path))) {
    const installing = install(path, 'pip', pip('ministack-requirements.txt', process.env));
    await withProgress(log, `installing MiniStack ${VERSION} with pip into ${CACHE}`, installing);
  }
  return path;
};

export type MinistackOptions = {
  port: number;
  /** What it calls services, the fewer the less memory. */
  services: readonly string[];
  /** Where everything is kept when it stops, to be there when it starts again. */
  state?: string;
  /** Where it unpacks the functions. */
  temporary?: string;
};

/** A person's own settings for AWS would reach the functions. */
const withoutAws = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('AWS_')));

export const ministackCommand = (path: string, { port, services, state, temporary }: MinistackOptions) =>
  ({
    command: 'python3',
    args: ['-m', 'ministack'],
    env: {
      ...withoutAws(process.env),
      PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
      PYTHONPATH: path,
      GATEWAY_PORT: String(port),
      BIND_HOST: '127.0.0.1',
      SERVICES: services.join(),
      // Listeners of its own.
      IOT_MTLS_ENABLED: '0',
      SFTP_ENABLED: '0',
      ...(state !== undefined && { PERSIST_STATE: '1', STATE_DIR: state }),
      ...(temporary !== undefined && { TMPDIR: temporary }),
    },
  }) satisfies Pick<GuardedCommand, 'command' | 'args' | 'env'>;

export type Ministack = GuardedChild & { endpoint: string };

export type StartOptions = {
  /** 0: any free one. */
  port: number;
  services: readonly string[];
  /** Log and unpacked functions are kept here. */
  folder: string;
  log: Log;
  /** A descriptor that it keeps open as long as it lives. */
  holds?: number;
};

const unusable = (why: string, cause?: Error) =>
  new Error(`MiniStack cannot be used (${why}): install Python 3.11 or later with pip, or set AWS_ENDPOINT_URL to a LocalStack that runs`, {
    cause,
  });

/** Resolves when it answers. Rejects with an error of one sentence. */
export const startMinistack = async ({ port, services, folder, log, holds }: StartOptions): Promise<Ministack> => {
  const path = await installMinistack(log).catch((cause: Error) => {
    throw unusable(cause.message, cause);
  });
  const temporary = join(folder, 'tmp');
  await mkdir(temporary, { recursive: true });
  // Else the next package.json above would say what kind of modules the functions are.
  await writeFile(join(temporary, 'package.json'), '{}');
  const logFile = join(folder, 'ministack.log');
  // It cannot choose a port by itself, so a free one may be gone by the time that it listens.
  for (let attempt = 0; attempt < (port === 0 ? PORTS_TRIED : 1); attempt++) {
    const own = port === 0 ? await freePort() : port;
    const endpoint = `http://127.0.0.1:${own}`;
    const child = spawnGuarded({ ...ministackCommand(path, { port: own, services, temporary }), logFile, holds });
    if (await withProgress(log, 'MiniStack is starting', answers(endpoint, child))) return { ...child, endpoint };
    await child.stop();
    if ((await child.exited) === NO_SUCH_COMMAND) throw unusable('python3 is not installed');
  }
  if ((await readFile(logFile, 'utf8')).includes('already in use'))
    throw new Error(
      `port ${port} of 127.0.0.1 is taken: stop what listens there, set AWS_ENDPOINT_URL to it if it is MiniStack or LocalStack, or set MINISTACK_PORT (0: any free one)`,
    );
  throw new Error(`MiniStack did not start: ${logFile} says why`);
};
