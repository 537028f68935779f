/**
 * A child process that never outlives this one, `kill -9` included. A shell stands between the two and reads from a pipe to
 * this process: at its end, whoever closed it, the child gets SIGTERM and then SIGKILL. It runs in a session of its own, so
 * that Ctrl-C in a terminal does not end it before this process has drained.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

export type GuardedChild = {
  /** The exit code; 128 and the signal's number where a signal ended it, 127 where the command does not exist. */
  exited: Promise<number>;
  /** SIGTERM now, SIGKILL after two seconds. Resolves when it is gone. */
  stop(): Promise<void>;
};

export type GuardedCommand = {
  command: string;
  args: string[];
  env?: NodeJS.ProcessEnv;
  /** What it prints, of the last run. */
  logFile: string;
  /** A descriptor that the child keeps open as long as it lives. */
  holds?: number | undefined;
};

// fd 3 is the descriptor to hold, fd 9 the pipe. A job in the background would read /dev/null as its fd 0.
const GUARD = `
exec 9<&0
"$@" </dev/null 9<&- &
child=$!
(
  read -r line <&9
  kill -TERM $child
  tries=0
  while [ $tries -lt 20 ] && kill -0 $child; do sleep 0.1; tries=$((tries + 1)); done
  kill -KILL $child
) 2>/dev/null 3<&- &
guard=$!
wait $child
code=$?
kill $guard 2>/dev/null
exit $code
`;

export const spawnGuarded = ({ command, args, env = process.env, logFile, holds }: GuardedCommand): GuardedChild => {
  const log = openSync(logFile, 'w');
  const shell = spawn('/bin/sh', ['-c', GUARD, 'guard', command, ...args], {
    env,
    detached: true,
    stdio: ['pipe', log, log, holds ?? 'ignore'],
  });
  closeSync(log);
  const exited = new Promise<number>((resolve, reject) => {
    shell.once('error', reject);
    shell.once('exit', (code) => resolve(code ?? 137));
  });
  return {
    exited,
    async stop() {
      shell.stdin?.destroy();
      await exited;
    },
  };
};
