/** The upper tail of a sum of independent trials, each with its own probability (Poisson 1837), by exact convolution. Pure. */

/** How probable at least `successes` are. */
export const trialsTail = (successes: number, probabilities: readonly number[]): number => {
  let distribution = [1];
  for (const p of probabilities) {
    const after = [...distribution, 0].map((stay, k) => stay * (1 - p) + (distribution[k - 1] ?? 0) * p);
    distribution = after;
  }
  return Math.min(
    1,
    distribution.slice(successes).reduce((sum, each) => sum + each, 0),
  );
};
