import type { GuardedChild } from './guarded-child.ts';

const PATIENCE_MS = 30_000;
const POLL_MS = 20;

/** Whether a server that was just started answers HTTP at all, before it ends. */
export const answers = async (endpoint: string, child: GuardedChild): Promise<boolean> => {
  let ended = false;
  void child.exited.then(() => (ended = true));
  for (const until = Date.now() + PATIENCE_MS; !ended && Date.now() < until; ) {
    if (await fetch(endpoint, { signal: AbortSignal.timeout(1000) }).catch(() => undefined)) return !ended;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return false;
};
