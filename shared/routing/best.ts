/** The best of many, without a sort of all of them. Pure. */
import type { Candidate } from './candidate.ts';

type Ranked = { candidate: Candidate; cost: number };

/** Of equals the one that was chosen longest ago; so the same candidates have one order. */
const isBefore = (candidate: Candidate, cost: number, than: Ranked): boolean => {
  if (cost !== than.cost) return cost < than.cost;
  if (candidate.last !== than.candidate.last) return candidate.last < than.candidate.last;
  return candidate.id < than.candidate.id;
};

/** At most `count`, those that cost least first. `n` is the place of a candidate in the list. */
export const best = (candidates: readonly Candidate[], count: number, costOf: (candidate: Candidate, n: number) => number): Candidate[] => {
  const chosen: Ranked[] = [];
  let worst: Ranked | undefined;
  for (let n = 0; n < candidates.length; n++) {
    const candidate = candidates[n] as Candidate;
    const cost = costOf(candidate, n);
    if (worst && !isBefore(candidate, cost, worst)) continue;
    const place = chosen.findIndex((than) => isBefore(candidate, cost, than));
    chosen.splice(place < 0 ? chosen.length : place, 0, { candidate, cost });
    if (chosen.length > count) chosen.pop();
    if (chosen.length === count) worst = chosen.at(-1);
  }
  return chosen.map(({ candidate }) => candidate);
};
