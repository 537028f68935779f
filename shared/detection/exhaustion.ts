/**
 * When a resource runs out: the line of Theil and Sen through its use, extrapolated to the limit. How sure it is comes from Sen's
 * test of the slope that is needed to get there within the horizon, so a noisy or curved series is less sure than a straight one. Pure.
 */
import { confidenceOf } from './confidence.ts';
import { type Point, robustLine, steeperTail } from './trend.ts';

const LEAST_POINTS = 20;
/** It looks no farther ahead than so many times as far as it looks back. */
const REACH = 3;

export type Exhaustion = { /** When, in the units of x. */ at: number; p: number; confidence: number; slope: number; level: number };

/** `points`: when (increasing) and how much; undefined: at this pace not within `horizon` after the last one, or too little is known. */
export const exhaustion = (points: readonly Point[], limit: number, horizon: number): Exhaustion | undefined => {
  const [first, last] = [points[0], points.at(-1)];
  const line = points.length < LEAST_POINTS ? undefined : robustLine(points);
  if (!first || !last || !line) return undefined;
  const level = line.at(last[0]);
  if (line.slope <= 0 || level >= limit) return undefined;
  const left = (limit - level) / line.slope;
  if (left > Math.min(horizon, REACH * (last[0] - first[0]))) return undefined;
  const p = steeperTail(points, (limit - level) / horizon);
  return { at: last[0] + left, p, confidence: confidenceOf(p), slope: line.slope, level };
};
