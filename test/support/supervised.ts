/** `npm run supervise` as a process of its own, to be told, stopped and killed like one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export type Supervised = {
  child: ChildProcess;
  /** Everything that it and its agents printed. */
  output(): string;
  /** The process of an agent that was started last. */
  pid(agentId: string): number;
  /** How often an agent was started. */
  starts(agentId: string): number;
  exited: Promise<number | null>;
  /** The exit code. Nothing of it is left then. */
  stop(): Promise<number | null>;
};

export const startSupervised = (args: readonly string[], env: Record<string, string>): Supervised => {
  const child = spawn(process.execPath, ['infra/supervise/main.ts', ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  const startsOf = (agentId: string) => [...output.matchAll(new RegExp(`: ${agentId} started, pid (\\d+)`, 'g'))];
  return {
    child,
    output: () => output,
    pid: (agentId) => Number(startsOf(agentId).at(-1)?.[1]),
    starts: (agentId) => startsOf(agentId).length,
    exited,
    stop: async () => {
      child.kill('SIGTERM');
      return exited;
    },
  };
};

/** Whether a process runs. */
export const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
