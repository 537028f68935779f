/**
 * A lock that the kernel gives back when its last holder is gone, `kill -9` included: a FIFO which holders keep open for
 * reading. A child process that inherits the descriptor holds it too. Two that look in the same millisecond may both find it
 * free; their ports then tell them apart.
 */
import { execFile } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { promisify } from 'node:util';

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
