/**
 * How the messages of a key come: the mean and standard deviation of the intervals between arrivals, exponentially weighted
 * (Finch, "Incremental calculation of weighted mean and variance", 2009). Measured here, because only the bridge sees every
 * arrival: what is folded away reaches no function.
 */
import type { Rhythm } from '#shared/contract.ts';

/** Keys of a binding; beyond it the one that was silent longest is forgotten. */
const MAX_KEYS = 50_000;
/** The latest so many intervals weigh; before that, all weigh the same. */
const MEMORY = 100;
/** Longer than this, and than so many means, is a pause: what comes after it is measured anew. */
const PAUSE_MS = 10_000;
const PAUSE_MEANS = 10;

type Measured = { at: number; intervals: number; mean: number; variance: number };

export type Rhythms = {
  /** Notes an arrival, epoch ms. Undefined until an interval was measured. */
  arrived(key: string, at: number): Rhythm | undefined;
};

export const measureRhythms = (maxKeys = MAX_KEYS): Rhythms => {
  const keys = new Map<string, Measured>();
  return {
    arrived: (key, at) => {
      const before = keys.get(key);
      const after = before ? next(before, at) : beginning(at);
      // The order of the map is the order of arrival.
      keys.delete(key);
      keys.set(key, after);
      if (keys.size > maxKeys) keys.delete(keys.keys().next().value as string);
      const { intervals, mean, variance } = after;
      return intervals === 0 ? undefined : { intervals, mean_ms: mean, deviation_ms: Math.sqrt(variance) };
    },
  };
};

const beginning = (at: number): Measured => ({ at, intervals: 0, mean: 0, variance: 0 });

const next = ({ at: last, intervals, mean, variance }: Measured, at: number): Measured => {
  // A clock that was set back measures nothing.
  const interval = Math.max(0, at - last);
  if (intervals > 0 && interval > Math.max(PAUSE_MS, PAUSE_MEANS * mean)) return beginning(at);
  const weight = 1 / Math.min(intervals + 1, MEMORY);
  const difference = interval - mean;
  return {
    at,
    intervals: intervals + 1,
    mean: mean + weight * difference,
    variance: (1 - weight) * (variance + weight * difference * difference),
  };
};
