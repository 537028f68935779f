/** Starts and ends `deployment-host.ts`, the process that a deployment leaves in the background. */
import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { FOLDER, type Running } from './deployment.ts';
import type { HostMessage } from './deployment-host.ts';
import { isHeld } from './lock.ts';
import type { Log } from './progress.ts';
import { ROOT } from './settings.ts';

const HOST_LOG = join(FOLDER, 'host.log');
const PATIENCE_MS = 15_000;
const POLL_MS = 50;

/** Rejects with a sentence, or with the reason of `interrupted`; nothing is left running then. */
export const startBackground = async (log: Log, interrupted: AbortSignal): Promise<Running> => {
  interrupted.throwIfAborted();
  const output = openSync(HOST_LOG, 'w');
  const child = spawn(process.execPath, [join(ROOT, 'infra/local/deployment-host.ts')], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
  });
  const started = new Promise<Running>((resolve, reject) => {
    child.on('message', (message: HostMessage) => {
      if ('progress' in message) log(message.progress);
      else if ('failed' in message) reject(new Error(message.failed));
      else resolve(message.running);
    });
    child.once('exit', (code) => reject(new Error(`what runs in the background ended with ${code} while it started`)));
    interrupted.addEventListener('abort', () => reject(interrupted.reason), { once: true });
  });
  // It ends by itself when nobody listens to it before it stands.
  const running = await started.finally(() => child.connected && child.disconnect());
  child.removeAllListeners();
  child.unref();
  return running;
};

/** The bridge begins again with the manifest that is there, or ends where there is none. */
export const replaceBridge = ({ pid }: Running): void => {
  try {
    process.kill(pid, 'SIGHUP');
  } catch (cause) {
    throw new Error(`what ran in the background has ended: ${HOST_LOG} says why`, { cause });
  }
};

/** Ends all that runs in the background. Its folder stays, with the logs. */
export const stopBackground = async ({ pid }: Running): Promise<void> => {
  const [own, children] = [join(FOLDER, 'stack.lock'), join(FOLDER, 'children.lock')];
  if (isHeld(own)) process.kill(pid, 'SIGTERM');
  const held = () => isHeld(own) || isHeld(children);
  for (const until = Date.now() + PATIENCE_MS; held(); await pause(POLL_MS))
    if (Date.now() > until) throw new Error(`process ${pid} does not end within ${PATIENCE_MS / 1000} s: end it, and do this again`);
};
