/**
 * How improbable a count is where the rate is only known by what was counted before: the upper tail of the Poisson distribution
 * with a Gamma posterior of its rate, which is the negative binomial distribution (Gelman et al., Bayesian Data Analysis, 2.6).
 * As the exposure grows it becomes the Poisson tail of the rate; where little was seen it is wider. Pure.
 */
import { logGamma } from './log-gamma.ts';

/** `events` in `exposure` windows so far (both may be fractions, above 0): how probable at least `count` in the next window is. */
export const countTail = (count: number, { events, exposure }: { events: number; exposure: number }): number => {
  const [logStay, logNext] = [Math.log(exposure / (exposure + 1)), -Math.log(exposure + 1)];
  const logOf = (k: number): number => logGamma(events + k) - logGamma(events) - logGamma(k + 1) + events * logStay + k * logNext;
  if (count <= 0) return 1;
  // Upwards from the count, where the terms only shrink once they are past the mean.
  let sum = 0;
  const mean = events / exposure;
  for (let k = count; ; k++) {
    const term = Math.exp(logOf(k));
    sum += term;
    if (k > mean && term < sum * 1e-12) return Math.min(1, sum);
  }
};
