/** `weight_factor`: only a share of the candidates, the least loaded of them, may be chosen. Pure. */
import { type Candidate, usedShare } from './candidate.ts';
import { nthSmallest } from './nth-smallest.ts';

/** What it says of itself is known late, what it was given at once. */
const loadOf = (candidate: Candidate): number => Math.max(candidate.load, usedShare(candidate));

/** Whether a candidate is in that share, rounded up, or as loaded as the last in it. There is at least one candidate. */
export const loadLimit = (candidates: readonly Candidate[], share: number): ((candidate: Candidate) => boolean) => {
  const loads = new Float64Array(candidates.length);
  for (let n = 0; n < loads.length; n++) loads[n] = loadOf(candidates[n] as Candidate);
  const limit = nthSmallest(loads, Math.ceil(loads.length * share) - 1);
  return (candidate) => loadOf(candidate) <= limit;
};
