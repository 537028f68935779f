/**
 * The phi accrual failure detector (Hayashibara, Défago, Yared, Katayama: "The phi accrual failure detector", 2004): how
 * implausible a silence is, as -log10 of the probability that the next heartbeat still comes, were the intervals between
 * heartbeats normally distributed. Phi 8: one mistake in a hundred million silences that long.
 *
 * The tail of the normal distribution is the logistic approximation of Bowling et al. (2009), as Pekko computes it: an error
 * below 0.00014 in the probability, and an inverse in closed form. Pure.
 */
import type { Rhythm } from '#shared/contract.ts';

export type PhiParameters = {
  /** Until a rhythm is known: the interval that is expected, ms. */
  expectedIntervalMs: number;
  /** A rhythm is never taken to be steadier than this, ms. */
  minDeviationMs: number;
  /** A pause that says nothing: of the collector of garbage, of a network; ms. */
  acceptablePauseMs: number;
};

/** Of fewer intervals the deviation is not known yet. */
const FEW = 10;
/** Then it is taken to be such a part of the mean, as Pekko's estimate for the first heartbeat has it. */
const FIRST_DEVIATION = 1 / 4;

const A = 1.5976;
const B = 0.070566;

export type Distribution = { mean: number; deviation: number };

/** What the intervals are taken to be, ms; the acceptable pause is not in it. */
export const distributionOf = (rhythm: Rhythm | undefined, { expectedIntervalMs, minDeviationMs }: PhiParameters): Distribution => {
  const mean = rhythm?.mean_ms ?? expectedIntervalMs;
  const measured = rhythm?.deviation_ms ?? 0;
  const least = (rhythm?.intervals ?? 0) < FEW ? mean * FIRST_DEVIATION : 0;
  return { mean, deviation: Math.max(measured, least, minDeviationMs) };
};

/** Of a silence of `elapsedMs`. Grows with it, 0 to infinity. */
export const phi = (elapsedMs: number, rhythm: Rhythm | undefined, parameters: PhiParameters): number => {
  const { mean, deviation } = distributionOf(rhythm, parameters);
  const y = (elapsedMs - mean - parameters.acceptablePauseMs) / deviation;
  // The tail is 1 / (1 + e^l), so phi is log10(1 + e^l); e^l alone would overflow.
  const l = y * (A + B * y * y);
  return (Math.max(l, 0) + Math.log1p(Math.exp(-Math.abs(l)))) / Math.LN10;
};

/** The silence, ms, at which phi is reached: the inverse of `phi`. Never negative; of an infinite phi infinite. */
export const elapsedAt = (value: number, rhythm: Rhythm | undefined, parameters: PhiParameters): number => {
  const { mean, deviation } = distributionOf(rhythm, parameters);
  const x = value * Math.LN10;
  if (x === Infinity) return Infinity;
  const y = rootOf(x + Math.log(-Math.expm1(-x)));
  return Math.max(0, mean + parameters.acceptablePauseMs + y * deviation);
};

/** The y with B y^3 + A y = l: a cubic with one real root, by hyperbolic functions. */
const rootOf = (l: number): number => {
  const scale = Math.sqrt(A / (3 * B));
  return 2 * scale * Math.sinh(Math.asinh(l / (2 * B * scale ** 3)) / 3);
};
