/**
 * Ends the children of a process that is killed with -9. One shell a process, in a session of its own, hears of every process
 * group over a pipe; at the pipe's end, whoever closed it, it sends SIGKILL to those that are left: as when a host dies, so that
 * nobody takes it for a quiet goodbye. Beside, not between: a child's end is seen as it was, exit code and signal.
 */
import { spawn } from 'node:child_process';

const SCRIPT = `
groups=' '
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
`;

export type Watchdog = {
  /** From now on this process group dies with this process. */
  watch(group: number): void;
  forget(group: number): void;
  /** Kills what is left. */
  close(): void;
};

export const startWatchdog = (): Watchdog => {
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'watchdog'], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  // Without it children would only outlive a kill -9.
  shell.on('error', () => undefined);
  shell.stdin.on('error', () => undefined);
  shell.unref();
  return {
    watch: (group) => void shell.stdin.write(`+ ${group}\n`),
    forget: (group) => void shell.stdin.write(`- ${group}\n`),
    close: () => void shell.stdin.end(),
  };
};
