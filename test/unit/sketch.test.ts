import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mergeSketches, quantile, RELATIVE_ERROR, type Sketch, sketchOf, sketchSchema, weightedValues } from '#shared/metrics/sketch.ts';

const sketchFrom = (values: readonly number[]): Sketch => values.map(sketchOf).reduce(mergeSketches, {});

const exact = (values: readonly number[], q: number) => values.toSorted((a, b) => a - b)[Math.floor(q * (values.length - 1))] ?? Number.NaN;

/** Magnitudes that fit the bins, of both signs, and zero. */
const near = fc.double({ min: 1, max: 150, noNaN: true });
const anyNear = fc.oneof(
  near,
  near.map((value) => -value),
  fc.constant(0),
);
const any = fc.double({ min: -1e100, max: 1e100, noNaN: true });
const rank = fc.double({ min: 0, max: 1, noNaN: true });
const many = (of: fc.Arbitrary<number>) => fc.array(of, { minLength: 1, maxLength: 300 });

describe('a quantile sketch', () => {
  test('is at most 2% from the exact quantile', () => {
    fc.assert(
      fc.property(many(anyNear), rank, (values, q) => {
        const truth = exact(values, q);
        expect(Math.abs((quantile(sketchFrom(values), q) as number) - truth)).toBeLessThanOrEqual(
          RELATIVE_ERROR * Math.abs(truth) * (1 + 1e-9),
        );
      }),
    );
  });

  test('keeps the largest exact to 2% when it has to collapse the lowest', () => {
    fc.assert(
      fc.property(many(fc.double({ min: 1e-8, max: 1e9, noNaN: true })), (values) => {
        const truth = Math.max(...values);
        expect(Math.abs((quantile(sketchFrom(values), 1) as number) - truth)).toBeLessThanOrEqual(RELATIVE_ERROR * truth * (1 + 1e-9));
      }),
    );
  });

  test('of parts, merged in any order, is the sketch of the whole', () => {
    fc.assert(
      fc.property(many(any), many(any), many(any), (a, b, c) => {
        const [x, y, z] = [sketchFrom(a), sketchFrom(b), sketchFrom(c)];
        const whole = sketchFrom([...a, ...b, ...c]);
        expect([mergeSketches(mergeSketches(x, y), z), mergeSketches(z, mergeSketches(y, x))]).toEqual([whole, whole]);
      }),
    );
  });

  test('counts all, has at most 128 bins of each sign, and survives the table', () => {
    fc.assert(
      fc.property(many(any), (values) => {
        const sketch = sketchFrom(values);
        const counts = weightedValues(sketch).map(([, count]) => count);
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(values.length);
        expect(Math.max(sketch.positive?.counts.length ?? 0, sketch.negative?.counts.length ?? 0)).toBeLessThanOrEqual(128);
        expect(sketchSchema.parse(JSON.parse(JSON.stringify(sketch)))).toEqual(sketch);
      }),
    );
  });

  test('of nothing has no quantile', () => {
    expect(quantile({}, 0.5)).toBeUndefined();
  });
});
