/**
 * Quantiles of numbers that are not kept: DDSketch (Masson, Rim, Lee, VLDB 2019). A number is counted in the bin whose bounds
 * are 4% apart, so a quantile is at most 2% from the number that was there. Sketches of parts, merged in any order, are the
 * sketch of the whole. Pure.
 *
 * It has at most 128 bins of each sign. Magnitudes more than about 160 times below the largest share the lowest bin: quantiles
 * that fall among them come out too far from zero. Those near the largest stay exact to 2%.
 */
import * as z from 'zod';

export const RELATIVE_ERROR = 0.02;
const MAX_BINS = 128;
const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
const LOG_GAMMA = Math.log(GAMMA);
/** What is closer to zero counts as zero. */
const SMALLEST = 1e-9;

/** Counts of neighbouring bins from index `first` on. The first and the last are not zero. */
const binsSchema = z.object({ first: z.int(), counts: z.array(z.number()) });
export const sketchSchema = z.object({ zeros: z.number().optional(), positive: binsSchema.optional(), negative: binsSchema.optional() });

type Bins = z.infer<typeof binsSchema>;
export type Sketch = z.infer<typeof sketchSchema>;

/** The bin `i` holds magnitudes in (GAMMA^(i-1), GAMMA^i]. */
const binOf = (magnitude: number): Bins => ({ first: Math.ceil(Math.log(magnitude) / LOG_GAMMA), counts: [1] });
/** The magnitude that is at most RELATIVE_ERROR from all of the bin. */
const magnitudeOf = (index: number): number => (2 * GAMMA ** index) / (GAMMA + 1);

/** Of one finite number. */
export const sketchOf = (value: number): Sketch => {
  if (Math.abs(value) < SMALLEST) return { zeros: 1 };
  return value > 0 ? { positive: binOf(value) } : { negative: binOf(-value) };
};

export const mergeSketches = (a: Sketch, b: Sketch): Sketch => {
  const zeros = (a.zeros ?? 0) + (b.zeros ?? 0);
  const positive = mergeBins(a.positive, b.positive);
  const negative = mergeBins(a.negative, b.negative);
  return { ...(zeros > 0 && { zeros }), ...(positive && { positive }), ...(negative && { negative }) };
};

const mergeBins = (a: Bins | undefined, b: Bins | undefined): Bins | undefined => {
  if (!a || !b) return a ?? b;
  const last = Math.max(lastOf(a), lastOf(b));
  const first = Math.max(Math.min(a.first, b.first), last - MAX_BINS + 1);
  const counts = new Array<number>(last - first + 1).fill(0);
  for (const bins of [a, b])
    for (const [n, count] of bins.counts.entries()) {
      const at = Math.max(0, bins.first + n - first);
      counts[at] = (counts[at] as number) + count;
    }
  return { first, counts };
};

const lastOf = ({ first, counts }: Bins): number => first + counts.length - 1;

/** Values that stand for all that was counted, ascending, and how often each. */
export const weightedValues = ({ zeros, positive, negative }: Sketch): [value: number, count: number][] => [
  ...valuesOf(negative, -1).reverse(),
  ...(zeros ? [[0, zeros] as [number, number]] : []),
  ...valuesOf(positive, 1),
];

const valuesOf = (bins: Bins | undefined, sign: 1 | -1): [number, number][] =>
  (bins?.counts ?? []).flatMap((count, n) => (count > 0 ? [[sign * magnitudeOf((bins as Bins).first + n), count]] : []));

/** Of n numbers, the one at rank floor(q (n - 1)) of their order, q from 0 to 1; undefined of none. */
export const quantile = (sketch: Sketch, q: number): number | undefined => {
  const values = weightedValues(sketch);
  const rank = q * (values.reduce((sum, [, count]) => sum + count, 0) - 1);
  let below = 0;
  return values.find(([, count]) => {
    below += count;
    return below > rank;
  })?.[0];
};
