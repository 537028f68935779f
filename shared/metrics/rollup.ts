/** What is kept of many numbers: how many, their sum, the extremes, and a sketch for quantiles. Pure. */
import * as z from 'zod';
import { mergeSketches, quantile, sketchOf, sketchSchema } from './sketch.ts';

export const rollupSchema = z.object({ count: z.number(), sum: z.number(), min: z.number(), max: z.number(), sketch: sketchSchema });
export type Rollup = z.infer<typeof rollupSchema>;

/** Of one finite number. */
export const rollupOf = (value: number): Rollup => ({ count: 1, sum: value, min: value, max: value, sketch: sketchOf(value) });

export const mergeRollups = (a: Rollup | undefined, b: Rollup): Rollup =>
  a
    ? {
        count: a.count + b.count,
        sum: a.sum + b.sum,
        min: Math.min(a.min, b.min),
        max: Math.max(a.max, b.max),
        sketch: mergeSketches(a.sketch, b.sketch),
      }
    : b;

/** Rollups of a stretch of time by metric. `start` is epoch ms. */
export const bucketSchema = z.object({ start: z.number(), rollups: z.record(z.string(), rollupSchema) });
export type Bucket = z.infer<typeof bucketSchema>;

/** All of the buckets in one that begins at `start`. */
export const mergeBuckets = (start: number, buckets: readonly Bucket[]): Bucket => {
  const rollups: Record<string, Rollup> = {};
  for (const bucket of buckets)
    for (const [metric, rollup] of Object.entries(bucket.rollups)) rollups[metric] = mergeRollups(rollups[metric], rollup);
  return { start, rollups };
};

/** As a query answers it. */
export const toFigures = ({ count, sum, min, max, sketch }: Rollup) => {
  // A quantile is never outside of what was there.
  const at = (q: number) => Math.min(max, Math.max(min, quantile(sketch, q) ?? min));
  return { count, sum, min, max, mean: sum / count, p50: at(0.5), p90: at(0.9), p99: at(0.99) };
};
