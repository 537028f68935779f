/**
 * The table on a laptop, stored in a folder: dynoxide, one binary from the optional npm package of this platform; where there
 * is none, MiniStack from PyPI.
 */
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { answers } from './answers.ts';
import { freePort } from './free-port.ts';
import { type GuardedChild, type GuardedCommand, spawnGuarded } from './guarded-child.ts';
import { installMinistack, ministackCommand } from './ministack.ts';
import { type Log, withProgress } from './progress.ts';

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
  const path = await installMinistack(log).catch((cause: Error) => {
    throw new Error(
      `npm has no table for ${process.platform}-${process.arch} and MiniStack could not be installed (${cause.message}): set AWS_ENDPOINT_URL_DYNAMODB to a DynamoDB that runs`,
      { cause },
    );
  });
  log('the table is kept by MiniStack: it is stored when the stack stops, and lost by a kill -9');
  return (port, folder) => ministackCommand(path, { port, services: ['dynamodb'], state: join(folder, 'ministack') });
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
