/** Processes of the bridge bench: each starts with settings, says that it is ready, answers questions, and ends with its parent. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const END_MS = 5000;

export type Child = {
  /** What it said when it was ready. */
  ready: string;
  ask<T>(question: string): Promise<T>;
  /** SIGTERM, and SIGKILL after five seconds. */
  stop(): Promise<void>;
};

/** Runs a file of this folder. Rejects where it ends before it is ready. */
export const startChild = async (file: string, settings: object = {}): Promise<Child> => {
  const child = fork(join(import.meta.dirname, file), [JSON.stringify(settings)]);
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`${file} ended with ${code}`)));
  ended.catch(() => {});
  const hear = async <T>(): Promise<T> => (await Promise.race([once(child, 'message'), ended]))[0];
  const ready = await hear<string>();
  return {
    ready,
    ask: <T>(question: string) => {
      child.send(question);
      return hear<T>();
    },
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const kill = setTimeout(() => child.kill('SIGKILL'), END_MS);
      child.kill('SIGTERM');
      await once(child, 'exit');
      clearTimeout(kill);
    },
  };
};

/** In the child: what it was started with. */
export const childSettings = <T>(): T => JSON.parse(process.argv[2] ?? '{}') as T;

/** Bytes of memory, and microseconds of processor since the start: every child answers `usage`. */
export type Usage = { rss: number; cpu: number };

const usage = (): Usage => {
  const { user, system } = process.cpuUsage();
  return { rss: process.memoryUsage.rss(), cpu: user + system };
};

/** In the child: says that it is ready, then answers. */
export const serveParent = (ready: string, answers: Record<string, () => unknown> = {}): void => {
  const all: typeof answers = { usage, ...answers };
  process.on('message', (question: string) => process.send?.(all[question]?.() ?? null));
  process.on('disconnect', () => process.exit());
  process.on('SIGTERM', () => process.exit());
  process.send?.(ready);
};
