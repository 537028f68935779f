/**
 * A lock that the kernel gives back when its last holder is gone, `kill -9` included: a FIFO which holders keep open for
 * reading. A child process that inherits the descriptor holds it too. Two that look in the same millisecond may both find it
 * free; their ports then tell them apart.
 */
import { execFile } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Log, withProgress } from './progress.ts';

export const isHeld = (path: string): boolean => {
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ENXIO: nobody reads.
    if (code === 'ENXIO' || code === 'ENOENT') return false;
    throw error;
  }
};

/** Answers the descriptor; closing it gives this holder's part of the lock back. */
export const hold = async (path: string): Promise<number> => {
  const open = () => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return open();
  } catch {
    await promisify(execFile)('mkfifo', [path]);
    return open();
  }
};

const PATIENCE_MS = 5000;
const POLL_MS = 20;

export type FolderLock = {
  /** For the child processes to keep open, so that the next stack on the folder waits for their end. */
  children: number;
  release(): void;
};

/** Rejects with an error of one sentence where another stack has the folder. */
export const lockFolder = async (folder: string, log: Log): Promise<FolderLock> => {
  const [stack, children] = [join(folder, 'stack.lock'), join(folder, 'children.lock')];
  if (isHeld(stack)) throw new Error(`a stack runs on ${folder} already: stop it, or set DATA_DIR to another folder`);
  const descriptor = await hold(stack);
  const free = async () => {
    for (const until = Date.now() + PATIENCE_MS; isHeld(children); await new Promise((resolve) => setTimeout(resolve, POLL_MS)))
      if (Date.now() > until)
        throw new Error(`programs of an earlier stack on ${folder} do not end: end them, or set DATA_DIR to another folder`);
  };
  try {
    await withProgress(log, `waiting for the programs of an earlier stack on ${folder} to end`, free());
    const inherited = await hold(children);
    return {
      children: inherited,
      release() {
        closeSync(inherited);
        closeSync(descriptor);
      },
    };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
};
