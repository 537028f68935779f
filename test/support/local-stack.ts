/** `npm start` as a process of its own, to be stopped and killed like one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

export type LocalStack = {
  child: ChildProcess;
  /** Everything it printed, both streams. */
  output: () => string;
  /** Resolves with the output when it says that it is ready; rejects with it when it ends before. */
  ready: Promise<string>;
  exited: Promise<number | null>;
  /** The exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
};

export const startLocalStack = (env: Record<string, string>, cwd = process.cwd()): LocalStack => {
  const child = spawn(process.execPath, [resolve('infra/local/start.ts')], {
    cwd,
    env: { ...withoutStackSettings(process.env), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  const ready = new Promise<string>((fulfil, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      if (/\bready\b/i.test(output)) fulfil(output);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    exited.then((code) => reject(new Error(`it ended with code ${code} before it was ready:\n${output}`)));
  });
  ready.catch(() => undefined);
  return {
    child,
    output: () => output,
    ready,
    exited,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      return exited;
    },
  };
};

const withoutStackSettings = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => {
  const names = ['NATS_URL', 'NATS_PORT', 'HTTP_PORT', 'DATA_DIR', 'TABLE_NAME', 'AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_DYNAMODB'];
  return Object.fromEntries(Object.entries(env).filter(([name]) => !names.includes(name)));
};
