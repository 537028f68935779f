/** Time as a dependency: whatever waits or reads the time takes a `Clock`, so that a simulator can be the clock. */
export type Clock = {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls `fn` once, `ms` milliseconds from now, unless the returned function is called first. */
  after(ms: number, fn: () => void): () => void;
};

export const systemClock: Clock = {
  now: Date.now,
  after: (ms, fn) => {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};

export const sleep = (clock: Clock, ms: number): Promise<void> => new Promise((resolve) => clock.after(ms, resolve));
