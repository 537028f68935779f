/** One run of an agent's command: a process group of its own, its lines, its end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as later } from 'node:timers/promises';
import type { End } from './agent-process.ts';
import type { Watchdog } from './watchdog.ts';

export type Child = {
  pid: number | undefined;
  /** Nothing is left of its process group then. */
  ended: Promise<End>;
  /** SIGTERM to its process group; SIGKILL after `ms`. */
  terminate(ms: number): void;
  kill(): void;
  /** The last that it printed to stderr. */
  tail(): string;
  /** It may run but be stopped (SIGSTOP, a debugger). Where there is no /proc it never is. */
  isStopped(): boolean;
};

export type ChildCommand = {
  command: readonly string[];
  env: NodeJS.ProcessEnv;
  line(text: string): void;
  watchdog: Watchdog;
};

/** Lines and characters of stderr that are told of. */
const [TAIL_LINES, TAIL_CHARACTERS] = [20, 2000];
/** ms. A process that left the group may hold the pipes open. */
const LAST_WORDS_MS = 500;

const readLines = (stream: Readable, take: (line: string) => void): void => {
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', take);
};

const signalGroup = (pid: number | undefined, signal: NodeJS.Signals): void => {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // Nobody is left.
  }
};

const endOf = async (child: ChildProcess, watchdog: Watchdog): Promise<End> => {
  const closed = once(child, 'close').catch(() => undefined);
  const end = await new Promise<End>((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, error: error.message }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  // What it started ends with it: two of one agent would run after a restart.
  signalGroup(child.pid, 'SIGKILL');
  if (child.pid !== undefined) watchdog.forget(child.pid);
  await Promise.race([closed, later(LAST_WORDS_MS)]);
  return end;
};

export const startChild = ({ command: [program = '', ...args], env, line, watchdog }: ChildCommand): Child => {
  const child = spawn(program, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const { pid } = child;
  if (pid !== undefined) watchdog.watch(pid);
  const last: string[] = [];
  readLines(child.stdout, line);
  readLines(child.stderr, (text) => {
    line(text);
    last.push(text.slice(0, TAIL_CHARACTERS));
    if (last.length > TAIL_LINES) last.shift();
  });
  const ended = endOf(child, watchdog);
  return {
    pid,
    ended,
    terminate(ms) {
      signalGroup(pid, 'SIGTERM');
      // What is stopped does not hear SIGTERM before it goes on.
      signalGroup(pid, 'SIGCONT');
      const timer = setTimeout(() => signalGroup(pid, 'SIGKILL'), ms);
      void ended.then(() => clearTimeout(timer));
    },
    kill: () => signalGroup(pid, 'SIGKILL'),
    tail: () => last.join('\n').slice(-TAIL_CHARACTERS),
    isStopped() {
      try {
        return /\) [Tt] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
      } catch {
        return false;
      }
    },
  };
};
