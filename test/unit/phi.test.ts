import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { distributionOf, elapsedAt, phi } from '#shared/detection/phi.ts';

const parameters = { expectedIntervalMs: 30_000, minDeviationMs: 100, acceptablePauseMs: 3000 };
const steady = { intervals: 100, mean_ms: 1000, deviation_ms: 200 };

const rhythms = fc.record({
  intervals: fc.integer({ min: 1, max: 1000 }),
  mean_ms: fc.double({ min: 50, max: 600_000, noNaN: true }),
  deviation_ms: fc.double({ min: 0, max: 60_000, noNaN: true }),
});

/** The paper's formula: -log10 of the tail of the normal distribution, integrated by Simpson's rule. */
const paper = (y: number): number => {
  const [steps, to] = [2000, Math.max(y, 0) + 12];
  const h = (to - y) / steps;
  const density = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  let sum = density(y) + density(to);
  for (let n = 1; n < steps; n++) sum += (n % 2 === 0 ? 2 : 4) * density(y + n * h);
  return -Math.log10((sum * h) / 3);
};

describe('phi accrual', () => {
  test.each([-2, -1, 0, 0.5, 1, 2, 3, 4])('is the formula of the paper at %d deviations', (y) => {
    const probability = (value: number) => 10 ** -value;
    const elapsed = steady.mean_ms + parameters.acceptablePauseMs + y * steady.deviation_ms;
    expect(probability(phi(elapsed, steady, parameters))).toBeCloseTo(probability(paper(y)), 3);
  });

  test('is within a twelfth of the paper where it counts', () => {
    for (const y of [4.5, 5, 5.5, 6]) {
      const elapsed = steady.mean_ms + parameters.acceptablePauseMs + y * steady.deviation_ms;
      expect(phi(elapsed, steady, parameters) / paper(y)).toBeCloseTo(1, 0);
    }
  });

  test('grows with the silence', () => {
    const elapsed = fc.double({ min: 0, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(rhythms, elapsed, elapsed, (rhythm, a, b) => {
        expect(phi(Math.min(a, b), rhythm, parameters)).toBeLessThanOrEqual(phi(Math.max(a, b), rhythm, parameters));
      }),
    );
  });

  test('of any silence is a number from 0', () => {
    fc.assert(fc.property(rhythms, fc.double({ min: 0, max: 1e9, noNaN: true }), (rhythm, ms) => phi(ms, rhythm, parameters) >= 0));
  });

  test('is reached at the silence that its inverse answers', () => {
    fc.assert(
      fc.property(rhythms, fc.double({ min: 1, max: 50, noNaN: true }), (rhythm, value) => {
        expect(phi(elapsedAt(value, rhythm, parameters), rhythm, parameters)).toBeCloseTo(value, 6);
      }),
    );
  });

  test('that is infinite is never reached', () => {
    expect(elapsedAt(Infinity, steady, parameters)).toBe(Infinity);
  });

  test('before the first interval is that of the expected interval, and a quarter of it', () => {
    expect(distributionOf(undefined, parameters)).toEqual({ mean: 30_000, deviation: 7500 });
  });

  test('does not trust a deviation of a few intervals, nor one of nothing', () => {
    const few = { intervals: 2, mean_ms: 1000, deviation_ms: 0 };
    expect([few, { ...few, intervals: 50 }].map((rhythm) => distributionOf(rhythm, parameters).deviation)).toEqual([250, 100]);
  });
});
