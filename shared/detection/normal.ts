/** The upper tail of the normal distribution (Abramowitz and Stegun 1964, 26.2.17: to 7.5e-8 of it, at 4 deviations 0.2 %). Pure. */

const B = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429];

/** How probable a value at least `z` standard deviations above the mean is. */
export const normalTail = (z: number): number => {
  if (z < 0) return 1 - normalTail(-z);
  const t = 1 / (1 + 0.2316419 * z);
  const polynomial = B.reduceRight((sum, b) => (sum + b) * t, 0);
  return Math.min(1, (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * polynomial);
};
