/** What every part of a simulated world shares: time, randomness, the faults that wait, and the trace. */
import type { FaultName } from './plan.ts';
import type { Random } from './random.ts';
import type { VirtualTime } from './virtual-time.ts';

export type Bed = {
  time: VirtualTime;
  random: Random;
  /** Takes a fault that waits for this; answers its size, 0 to 1, or undefined where there is none. */
  spoilt(what: FaultName): number | undefined;
  /** A line of the trace; it is written only when somebody wants to read it. */
  log(line: () => string): void;
};

/** Runs `fn` so many ms from now. */
export const later = ({ time }: Bed, ms: number, fn: () => void): void => void time.at(time.now() + ms, fn);

export const pause = (bed: Bed, ms: number): Promise<void> => new Promise((resolve) => later(bed, ms, resolve));

/** A promise that its waiter never hears of again once it is dead. */
export const whileAlive = <T>(isAlive: () => boolean, promise: Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    promise.then(
      (value) => isAlive() && resolve(value),
      (error) => isAlive() && reject(error),
    );
  });
