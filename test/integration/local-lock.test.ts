import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { spawnGuarded } from '#infra/local/guarded-child.ts';
import { isHeld, lockFolder } from '#infra/local/lock.ts';

describe('the lock of a data folder', () => {
  let folder: string;
  const log = () => {};

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mistersmith-lock-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is given to one stack at a time', async () => {
    const first = await lockFolder(folder, log);
    await expect(lockFolder(folder, log)).rejects.toThrow(`a stack runs on ${folder} already: stop it, or set DATA_DIR to another folder`);
    first.release();
    (await lockFolder(folder, log)).release();
  });

  it('waits for the programs that an earlier stack has left', async () => {
    const first = await lockFolder(folder, log);
    const program = spawnGuarded({ command: 'sleep', args: ['1000'], logFile: join(folder, 'log'), holds: first.children });
    first.release();
    const children = join(folder, 'children.lock');
    expect(isHeld(children)).toBe(true);
    const second = lockFolder(folder, log);
    await program.stop();
    await expect.poll(() => isHeld(children)).toBe(false);
    (await second).release();
  });
});
