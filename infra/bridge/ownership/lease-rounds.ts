/**
 * When the leases are looked at: at once, then every `every` ms and soon after whoever asks, one round at a time. What fails
 * is told once and tried again for ever.
 */
import type { Clock } from '#shared/clock.ts';

export type Rounds = {
  /** Resolves after the first round that succeeded; rejects where the connection was closed before. */
  first: Promise<void>;
  /** Asks for a round. */
  soon(): void;
  stop(): void;
};

/** From what somebody wrote to what the server has stored of it; many writes are looked at together. */
const SETTLE_MS = 50;

/** After an outage a round is not `calm` for `every` ms, in which each bridge renews what is its own: expired is not abandoned. */
export const repeatRounds = ({
  round,
  every,
  clock,
  log,
  over,
}: {
  round: (calm: boolean) => Promise<void>;
  every: number;
  clock: Clock;
  log: (sentence: string) => void;
  over: () => boolean;
}): Rounds => {
  let running = false;
  let again = false;
  let failed = false;
  let calm = true;
  let stopped = false;
  let cancelTick = () => {};
  let cancelSoon: (() => void) | undefined;
  let cancelCalm = () => {};
  const first = Promise.withResolvers<void>();

  const soon = () => {
    cancelSoon ??= clock.after(SETTLE_MS, () => {
      cancelSoon = undefined;
      void run();
    });
  };

  const recovered = () => {
    log('the leases of the bridges can be read and written again');
    failed = false;
    cancelCalm = clock.after(every, () => {
      calm = true;
      soon();
    });
  };

  const attempt = async (): Promise<void> => {
    try {
      await round(calm);
      if (failed) recovered();
      if (calm) first.resolve();
    } catch (error) {
      if (!failed) log(`the leases of the bridges cannot be read or written, which is tried again: ${(error as Error).message}`);
      failed = true;
      calm = false;
      cancelCalm();
    }
  };

  const run = async (): Promise<void> => {
    again = true;
    if (running) return;
    running = true;
    while (again && !stopped && !over()) {
      again = false;
      await attempt();
    }
    running = false;
  };

  const tick = () => {
    if (over()) return first.reject(new Error('the connection to NATS was closed'));
    cancelTick = clock.after(every, tick);
    void run();
  };
  tick();

  return {
    first: first.promise,
    soon,
    stop: () => {
      stopped = true;
      cancelTick();
      cancelSoon?.();
      cancelCalm();
    },
  };
};
