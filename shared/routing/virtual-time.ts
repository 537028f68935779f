/**
 * Smooth weighted round robin: each gets turns in proportion to its capacity, and never lags or leads by a whole one. It is
 * "earliest eligible virtual deadline first" (Stoica and Abdel-Wahab, 1995; Linux' scheduler) with turns of one size. A candidate's
 * virtual time is the turns that it had, each divided by its capacity; the fleet's is the mean, weighted by capacity. Of those who
 * are not ahead of the fleet the one comes next whose turn would be over first. All that has to be kept is `turn` of the chosen.
 *
 * Envoy's scheduler takes the earliest deadline of all: there one that may have ten gets ten in a row before nine others that may have one.
 * Pure.
 */
import type { Candidate } from './candidate.ts';

/** A part of a turn, for sums of fractions are not exact. */
const ROUNDING = 1e-9;
/** Behind all who may have a turn now. */
const AHEAD = 1e9;

export type VirtualTimes = { cost: (candidate: Candidate) => number /** After a turn. */; next: (candidate: Candidate) => number };

export const virtualTimes = (candidates: readonly Candidate[]): VirtualTimes => {
  // None of them leads by a whole turn, so the fleet is not behind this.
  let floor = 0;
  for (const { turn = 0, capacity } of candidates) floor = Math.max(floor, turn - 1 / capacity);
  // Who was away, or is new, does not catch up on more than a turn.
  const startOf = ({ turn = 0, capacity }: Candidate): number => Math.max(turn, floor - 1 / capacity);
  let turns = 0;
  let weights = 0;
  for (const candidate of candidates) {
    turns += startOf(candidate) * candidate.capacity;
    weights += candidate.capacity;
  }
  const fleet = turns / weights;
  return {
    cost: (candidate) => {
      const start = startOf(candidate);
      return start + 1 / candidate.capacity + ((start - fleet) * candidate.capacity > ROUNDING ? AHEAD : 0);
    },
    next: (candidate) => startOf(candidate) + 1 / candidate.capacity,
  };
};
