/**
 * Trends of short series, robust against outliers and without a distribution: the test of Mann (1945) and Kendall (1975), with
 * the correction for ties, and the slope of Theil (1950) and Sen (1968). All are quadratic in the number of points. Pure.
 */
import { normalTail } from './normal.ts';

/** `[x, y]` */
export type Point = readonly [number, number];

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
};

const pairs = function* <T>(values: readonly T[]): Generator<[T, T]> {
  for (const [n, later] of values.entries()) for (let m = 0; m < n; m++) yield [values[m] as T, later];
};

/** How probable at least so much rise is in a series without trend. */
export const risingTail = (values: readonly number[]): number => {
  const n = values.length;
  let s = 0;
  for (const [before, after] of pairs(values)) s += Math.sign(after - before);
  const ties = [...Map.groupBy(values, (value) => value).values()].map(({ length }) => length);
  const spread = (k: number): number => k * (k - 1) * (2 * k + 5);
  const variance = (spread(n) - ties.reduce((sum, tied) => sum + spread(tied), 0)) / 18;
  return variance <= 0 ? 1 : normalTail((s - Math.sign(s)) / Math.sqrt(variance));
};

/** The median of the slopes between all pairs, and the line of that slope through the medians; undefined: all at one x. */
export const robustLine = (points: readonly Point[]): { slope: number; at: (x: number) => number } | undefined => {
  const slopes: number[] = [];
  for (const [[x0, y0], [x1, y1]] of pairs(points)) if (x1 !== x0) slopes.push((y1 - y0) / (x1 - x0));
  if (slopes.length === 0) return undefined;
  const slope = median(slopes);
  const intercept = median(points.map(([x, y]) => y - slope * x));
  return { slope, at: (x) => intercept + slope * x };
};

/** How probable so steep a rise is where the true slope is at most `slope`: the test that Sen's interval inverts. */
export const steeperTail = (points: readonly Point[], slope: number): number => risingTail(points.map(([x, y]) => y - slope * x));
