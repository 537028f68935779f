/** Logarithms of the gamma function and of what is made of it (Lanczos 1964, g = 7, n = 9: 15 digits). Pure. */

const COEFFICIENTS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** For `x` above 0. */
export const logGamma = (x: number): number => {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const shifted = x + 6.5;
  const series = COEFFICIENTS.reduce((sum, coefficient, n) => (n === 0 ? coefficient : sum + coefficient / (x - 1 + n)), 0);
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(shifted) - shifted + Math.log(series);
};

/** The logarithm of `n` over `k`; -Infinity where there is no such choice. */
export const logChoose = (n: number, k: number): number =>
  k < 0 || k > n ? -Infinity : logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);
