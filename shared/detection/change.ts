/**
 * Finds changes in a stream of values, one at a time, in constant memory: how far a value, and how far the short mean (an
 * exponentially weighted moving average, Roberts 1959), is from a slow and winsorised level, each against its own tail (tail.ts).
 * The first sees a spike, the second a shift that no single value shows. It knows no season. Pure.
 */
import { newTail, observeDeviation, type Tail } from './tail.ts';

export type Stream = {
  seen: number;
  /** What is usual. */
  level: number;
  /** Mean distance from it, without the largest. */
  spread: number;
  short: number;
  ofValues: Tail;
  ofShort: Tail;
};

const LEVEL_WEIGHT = 0.02;
const SHORT_WEIGHT = 0.1;
const SPREAD_WEIGHT = 0.01;
const WARM_UP = 30;
/** A distance counts for the level up to so many spreads, for the spread up to so many. */
const LEVEL_CLIP = 3;
const SPREAD_CLIP = 5;
/** Differences below this share of the level do not count. */
const LEAST_SHARE = 0.02;

/**
 * `rarity`: -log10 of how probable such a value or such a short mean was, whichever is rarer; 0: usual, or too little is known yet
 * (about 70 values). `by`: how far that one is from the level, up or down.
 */
export type Observed = { stream: Stream; rarity: number; by: number };

export const observe = (before: Stream | undefined, value: number): Observed => {
  const stream = before ?? { seen: 0, level: value, spread: 0, short: value, ofValues: newTail, ofShort: newTail };
  const seen = stream.seen + 1;
  const distance = value - stream.level;
  const far = Math.abs(distance);
  const least = LEAST_SHARE * Math.abs(stream.level) + 1e-9;
  const short = stream.short + SHORT_WEIGHT * (value - stream.short);
  const ofValues = observeDeviation(stream.ofValues, far, least);
  const ofShort = observeDeviation(stream.ofShort, Math.abs(short - stream.level), least);
  const upTo = (clip: number): number => (seen > WARM_UP ? Math.min(far, clip * stream.spread + 1e-9) : far);
  const after = {
    seen,
    level: stream.level + Math.max(LEVEL_WEIGHT, 1 / seen) * Math.sign(distance) * upTo(LEVEL_CLIP),
    spread: stream.spread + Math.max(SPREAD_WEIGHT, 1 / seen) * (upTo(SPREAD_CLIP) - stream.spread),
    short,
    ofValues: ofValues.tail,
    ofShort: ofShort.tail,
  };
  return { stream: after, rarity: rarityOf(Math.min(ofValues.p, ofShort.p)), by: ofValues.p < ofShort.p ? distance : short - stream.level };
};

const rarityOf = (p: number): number => (p === 1 ? 0 : -Math.log10(p));
