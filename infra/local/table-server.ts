/**
 * The table on a laptop, stored in a folder: dynoxide, one binary from the optional npm package of this platform; where there
 * is none, ministack from PyPI.
 */
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { freePort } from './free-port.ts';
import { type GuardedChild, type GuardedCommand, spawnGuarded } from './guarded-child.ts';
import { exists, install, pip } from './install.ts';
import { type Log, withProgress } from './progress.ts';
import { CACHE } from './settings.ts';

export type TableServerOptions = {
  /** Log and items are kept here. */
  folder: string;
  log: Log;
  /** A descriptor that the server keeps open as long as it lives. */
  holds?: number;
};

export type TableServer = GuardedChild & { endpoint: string };

type Engine = (port: number, folder: string) => Pick<GuardedCommand, 'command' | 'args' | 'env'>;

const PORTS_TRIED = 3;
const PATIENCE_MS = 30_000;
const POLL_MS = 20;

const dynoxide = async (): Promise<Engine | undefined> => {
  try {
    const manifest = createRequire(import.meta.url).resolve(`@dynoxide/${process.platform}-${process.arch}/package.json`);
    const command = join(dirname(manifest), 'dynoxide');
    return (port, folder) => ({ command, args: ['serve', '--port', String(port), '--db-path', join(folder, 'table.db')] });
  } catch {
    return undefined;
  }
};

const ministack = async (log: Log): Promise<Engine> => {
  const path = join(CACHE, 'ministack-1.5.33');
  if (!(await exists(path))) {
    const installing = install(path, 'pip', pip('ministack-requirements.txt', process.env)).catch((cause: Error) => {
      throw new Error(
        `npm has no table for ${process.platform}-${process.arch} and ministack could not be installed (${cause.message}): set AWS_ENDPOINT_URL_DYNAMODB to a DynamoDB that runs`,
        { cause },
      );
    });
    await withProgress(log, `installing ministack into ${CACHE}`, installing);
  }
  log('the table is kept by ministack: it is stored when the stack stops, and lost by a kill -9');
  return (port, folder) => ({
    command: 'python3',
    args: ['-m', 'ministack'],
    env: {
      ...process.env,
      PYTHONPATH: path,
      GATEWAY_PORT: String(port),
      BIND_HOST: '127.0.0.1',
      SERVICES: 'dynamodb',
      PERSIST_STATE: '1',
      STATE_DIR: join(folder, 'ministack'),
    },
  });
};

/** Whether it answers HTTP at all, before it ends. */
const answers = async (endpoint: string, child: GuardedChild): Promise<boolean> => {
  let ended = false;
  void child.exited.then(() => (ended = true));
  for (const until = Date.now() + PATIENCE_MS; !ended && Date.now() < until; ) {
    if (await fetch(endpoint, { signal: AbortSignal.timeout(1000) }).catch(() => undefined)) return !ended;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return false;
};

/** Resolves when it answers. Rejects with an error of one sentence. */
export const startTableServer = async ({ folder, log, holds }: TableServerOptions): Promise<TableServer> => {
  await mkdir(folder, { recursive: true });
  const engine = (await dynoxide()) ?? (await ministack(log));
  const logFile = join(folder, 'table.log');
  // Neither engine can choose a port by itself, so the free one may be gone by the time that it listens.
  for (let attempt = 0; attempt < PORTS_TRIED; attempt++) {
    const port = await freePort();
    const endpoint = `http://127.0.0.1:${port}`;
    const child = spawnGuarded({ ...engine(port, folder), logFile, holds });
    if (await withProgress(log, `the table is reading ${folder}`, answers(endpoint, child))) return { ...child, endpoint };
    await child.stop();
  }
  throw new Error(`the table did not start: ${logFile} says why`);
};
