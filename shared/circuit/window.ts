/**
 * The calls of the last seconds, one row a second (resilience4j's time-based sliding window: partial aggregations of a
 * second, the oldest of which leaves when a new second begins). Pure.
 */
import type { Circuit } from './circuit.ts';

type Buckets = Circuit['buckets'];
type Bucket = Buckets[number];

export type Call = {
  /** Epoch ms. */
  at: number;
  failed: boolean;
  slow: boolean;
};

export type Totals = { calls: number; failures: number; slow: number };

const secondOf = (time: number): number => Math.floor(time / 1000);

/** What is in a window of `size` seconds that ends with the second of `now`. */
export const inWindow = (buckets: Buckets, now: number, size: number): Buckets =>
  buckets.filter(([second]) => second > secondOf(now) - size);

/** A call that comes later than its window leaves no trace. */
export const addCall = (buckets: Buckets, { at, failed, slow }: Call, size: number): Buckets => {
  const newest = Math.max(at, (buckets.at(-1)?.[0] ?? 0) * 1000);
  const second = secondOf(at);
  const [, calls, failures, slowCalls] = buckets.find((bucket) => bucket[0] === second) ?? [second, 0, 0, 0];
  const added: Bucket = [second, calls + 1, failures + Number(failed), slowCalls + Number(slow)];
  const others = buckets.filter((bucket) => bucket[0] !== second);
  return inWindow(
    [...others, added].sort((a, b) => a[0] - b[0]),
    newest,
    size,
  );
};

export const totals = (buckets: Buckets): Totals =>
  buckets.reduce(
    (sum, [, calls, failures, slow]) => ({ calls: sum.calls + calls, failures: sum.failures + failures, slow: sum.slow + slow }),
    { calls: 0, failures: 0, slow: 0 },
  );

/**
 * The successes that were not written down while all went well: what a measured pace makes of the time up to `now`. A pace
 * is measured once a window while there are calls, so it says nothing of the time after its own window.
 */
export const assumed = (pace: Circuit['pace'], now: number, size: number): Buckets => {
  const calls = Math.round(pace?.perSecond ?? 0);
  if (!pace || calls === 0) return [];
  const from = Math.max(secondOf(pace.at), secondOf(now) - size + 1);
  const to = Math.min(secondOf(now), secondOf(pace.at) + size);
  return Array.from({ length: Math.max(0, to - from) }, (_, n): Bucket => [from + n, calls, 0, 0]);
};
