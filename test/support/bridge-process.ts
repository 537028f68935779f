/** The bridge as a process of its own, started and ended as an orchestrator would. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export type BridgeProcess = {
  child: ChildProcess;
  /** Everything it printed. */
  output(): string;
  /** `http://<host>:<port>` as soon as it listens. */
  http(): string;
  /** The exit code. */
  exited: Promise<number | null>;
};

export const startBridgeProcess = (argv: readonly string[], cwd: string, env: Record<string, string>): BridgeProcess => {
  const [, ...args] = argv;
  const child = spawn(process.execPath, args, { cwd, env: { PATH: process.env.PATH ?? '', ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  return {
    child,
    output: () => output,
    http: () => /http:\/\/[\d.]+:\d+/.exec(output)?.[0] ?? '',
    exited: once(child, 'exit').then(([code]) => code as number | null),
  };
};
