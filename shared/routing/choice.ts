/** Which of those that may be chosen a balancer chooses. Pure. */
import type { Balancer, Policy } from '#shared/messages/routing-policy.ts';
import { costBy } from './balancer.ts';
import { best } from './best.ts';
import { type Candidate, usedShare } from './candidate.ts';
import { virtualTimes } from './virtual-time.ts';

/** `longest_ago`: round robin by itself. */
export const balancerOf = (policy: Policy): Balancer | 'longest_ago' =>
  policy.type === 'round_robin' ? 'longest_ago' : (policy.balancer ?? 'least_connections');

export type Chosen = { candidate: Candidate; turn?: number };

/** A number from 0 to 2^32 that seed and place alone decide (the finalizer of MurmurHash3). */
const drawn = (seed: number, n: number): number => {
  let bits = (seed + Math.imul(n + 1, 0x9e3779b9)) | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
};

/** One more than wanted is drawn (Mitzenmacher, 2001: two for one), and the worst of them left. Of equals the first that was drawn. */
const ofTwo = (candidates: readonly Candidate[], count: number, seed: number): Candidate[] =>
  best(candidates, count + 1, (_, n) => drawn(seed, n))
    .sort((a, b) => usedShare(a) - usedShare(b))
    .slice(0, count);

const chooseAmong = (peers: readonly Candidate[], count: number, balancer: Balancer | 'longest_ago', seed: number): Chosen[] => {
  switch (balancer) {
    case 'longest_ago':
      return best(peers, count, ({ last }) => last).map((candidate) => ({ candidate }));
    case 'power_of_two_choices':
      return ofTwo(peers, count, seed).map((candidate) => ({ candidate }));
    case 'weighted_round_robin': {
      const { cost, next } = virtualTimes(peers);
      return best(peers, count, cost).map((candidate) => ({ candidate, turn: next(candidate) }));
    }
    default:
      return best(peers, count, costBy(balancer, peers)).map((candidate) => ({ candidate }));
  }
};

/** Those who may be chosen, and in the same order the tier of each; undefined: all are in one. */
export type Eligible = { candidates: readonly Candidate[]; tiers: readonly number[] | undefined };

/** The lowest tier above another, and who is in it; undefined: there is none. */
const tierAbove = (candidates: readonly Candidate[], tiers: readonly number[], below: number) => {
  let tier = Infinity;
  let size = 0;
  for (let n = 0; n < candidates.length; n++) {
    const one = tiers[n] as number;
    if (one <= below || one > tier) continue;
    size = one < tier ? 1 : size + 1;
    tier = one;
  }
  if (size === 0) return undefined;
  return { tier, peers: size === candidates.length ? candidates : candidates.filter((_, n) => tiers[n] === tier) };
};

/** At most `count`, the best first. A tier is asked where those before it have not enough. */
export const choose = ({ candidates, tiers }: Eligible, count: number, policy: Policy, seed: number): Chosen[] => {
  const balancer = balancerOf(policy);
  if (!tiers) return chooseAmong(candidates, count, balancer, seed);
  const chosen: Chosen[] = [];
  for (let below = -1; chosen.length < count; ) {
    const next = tierAbove(candidates, tiers, below);
    if (!next) break;
    chosen.push(...chooseAmong(next.peers, count - chosen.length, balancer, seed));
    below = next.tier;
  }
  return chosen;
};
