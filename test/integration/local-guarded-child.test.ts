import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { spawnGuarded } from '#infra/local/guarded-child.ts';

const PATIENCE = { timeout: 5000 };
/** A program that says which guard it has and then waits. */
const waits = 'echo $PPID; exec sleep 1000';
/** One that does not listen to SIGTERM. */
const deaf = 'trap "" TERM; echo $PPID; while :; do sleep 0.1; done';

/** Whether anything is left of a guard, its program and its helpers: they are one process group. */
const isAlive = (guard: number): boolean => {
  try {
    process.kill(-guard, 0);
    return true;
  } catch {
    return false;
  }
};

describe('a guarded child', () => {
  let folder: string;
  let logFile: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mistersmith-guard-'));
    logFile = join(folder, 'log');
  });
  afterEach(() => rm(folder, { recursive: true }));

  const start = (script: string) => spawnGuarded({ command: 'sh', args: ['-c', script], logFile });
  const printed = () => readFile(logFile, 'utf8').catch(() => '');
  const guard = async (): Promise<number> => {
    await expect.poll(printed, PATIENCE).toMatch(/^\d+\n/);
    return Number(await printed());
  };

  it('ends with the exit code of its program', async () => {
    expect(await start('echo done; exit 7').exited).toBe(7);
    expect(await printed()).toBe('done\n');
  });

  it('says 127 where the program does not exist', async () => {
    expect(await spawnGuarded({ command: join(folder, 'nothing'), args: [], logFile }).exited).toBe(127);
  });

  it.each([
    ['with SIGTERM', waits, 143],
    ['with SIGKILL where it does not listen', deaf, 137],
  ])('is stopped %s', async (_, script, code) => {
    const child = start(script);
    const group = await guard();
    expect(isAlive(group)).toBe(true);
    await child.stop();
    expect(await child.exited).toBe(code);
    await expect.poll(() => isAlive(group), PATIENCE).toBe(false);
  });

  it('can be stopped again, and after it has ended', async () => {
    const child = start('exit 0');
    await child.exited;
    await child.stop();
    await child.stop();
    expect(await child.exited).toBe(0);
  });

  it.each([
    ['a program', waits],
    ['a program that does not listen', deaf],
  ])('dies with a parent that is killed, and leaves nothing behind: %s', async (_, script) => {
    const module = new URL('../../infra/local/guarded-child.ts', import.meta.url).href;
    const code = `import { spawnGuarded } from '${module}'; spawnGuarded(${JSON.stringify({ command: 'sh', args: ['-c', script], logFile })}); setInterval(() => {}, 1000);`;
    const parent: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'ignore' });
    const group = await guard();
    expect(isAlive(group)).toBe(true);
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    await expect.poll(() => isAlive(group), PATIENCE).toBe(false);
  });
});
