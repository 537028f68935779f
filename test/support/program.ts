/** A process under supervision, as systemd or a container runtime does it: whenever it ends it is started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

export type Program = {
  /** Sends a signal to the process that runs now; false where none does. */
  kill(signal?: NodeJS.Signals): boolean;
  /** How often it was started. */
  starts(): number;
  /** Everything that all of its processes printed. */
  output(): string;
  /** The most memory that the process that runs now has had, bytes; 0 where none does. */
  peakBytes(): number;
  /** Ends it for good, at once. */
  stop(): Promise<void>;
};

const AGAIN_MS = 50;

export const startProgram = (command: string, args: readonly string[], env: Record<string, string> = {}): Program => {
  let child: ChildProcess;
  let stopped = false;
  let starts = 0;
  let again: NodeJS.Timeout | undefined;
  let output = '';
  const isRunning = () => child.exitCode === null && child.signalCode === null;

  const start = () => {
    starts++;
    child = spawn(command, args, { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('exit', () => {
      if (!stopped) again = setTimeout(start, AGAIN_MS);
    });
  };
  const kill = (signal: NodeJS.Signals = 'SIGKILL') => isRunning() && child.kill(signal);
  const killLast = () => void kill();
  process.once('exit', killLast);
  start();

  return {
    kill,
    starts: () => starts,
    output: () => output,
    peakBytes: () => {
      if (!isRunning()) return 0;
      // One that was killed just now has none.
      const [, kilobytes = 0] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? [];
      return Number(kilobytes) * 1024;
    },
    async stop() {
      stopped = true;
      clearTimeout(again);
      process.off('exit', killLast);
      if (isRunning()) {
        const exited = once(child, 'exit');
        kill('SIGCONT');
        kill();
        await exited;
      }
    },
  };
};
