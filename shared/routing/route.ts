/**
 * Who gets a message: candidates in, choice out. Health, circuit and room are asked first, then the need, then the policy and its
 * balancer; what is asked for an explanation is decided the same way. It looks at each candidate a few times, and sorts none. Pure.
 */
import type { Priority } from '#shared/messages/fields.ts';
import type { Policy } from '#shared/messages/routing-policy.ts';
import type { Need } from '#shared/tasks/need.ts';
import type { Candidate } from './candidate.ts';
import { choose, type Eligible } from './choice.ts';
import { type Reason, sentence, type Wanted, wantedOf, whyNot } from './left-out.ts';
import { loadLimit } from './load-limit.ts';
import { hasTiers, NONE, tierBy } from './tier.ts';
import { whyNobody, whyThis } from './words.ts';

export type Question = {
  candidates: readonly Candidate[];
  policy: Policy;
  need: Need;
  priority: Priority;
  /** For the draws of `power_of_two_choices`: any whole number. */
  seed: number;
  /** How many are wanted at most; absent: 1. */
  count?: number | undefined;
  /** Whether those who are left out are to be named. */
  explain?: boolean | undefined;
};

export type Route = {
  /** The best first. `turn`: its virtual time from now on, where the balancer keeps one. */
  targets: readonly { id: string; turn?: number }[];
  policy: Policy['type'];
  /** A sentence for people. */
  why: string;
  /** How many could take it, those chosen among them. */
  eligible: number;
  /** How many could not, by reason. */
  leftBy: Readonly<Partial<Record<Reason, number>>>;
  /** The first of them, where they are to be named. */
  left: readonly { agent_id: string; why: string }[];
};

const MAX_NAMED = 100;

type LeftOut = { leftBy: Partial<Record<Reason, number>>; left: { agent_id: string; why: string }[] };

const leave = ({ leftBy, left }: LeftOut, candidate: Candidate, reason: Reason, named: Wanted | undefined): void => {
  leftBy[reason] = (leftBy[reason] ?? 0) + 1;
  if (named && left.length < MAX_NAMED) left.push({ agent_id: candidate.id, why: sentence(candidate, reason, named) });
};

/** Who may be chosen; the others are left out. */
const sift = ({ candidates, policy, need, priority, explain = false }: Question): Eligible & LeftOut => {
  const wanted = wantedOf(need, policy.type === 'capability_based' ? policy.required_capabilities : []);
  const named = explain ? wanted : undefined;
  const leftOut: LeftOut = { leftBy: {}, left: [] };
  const tierOf = tierBy(policy, priority);
  // Of the final length at once: what grows leaves garbage behind, and a decision must not wait for its collection.
  const able = new Array<Candidate>(candidates.length);
  const tiers = hasTiers(policy) ? new Array<number>(candidates.length) : undefined;
  let count = 0;
  for (const candidate of candidates) {
    const reason = whyNot(candidate, wanted);
    const tier = reason ? NONE : tierOf(candidate);
    if (tier === NONE) leave(leftOut, candidate, reason ?? 'target', named);
    else {
      able[count] = candidate;
      if (tiers) tiers[count] = tier;
      count++;
    }
  }
  able.length = count;
  if (policy.type !== 'load_based' || policy.weight_factor === undefined || count === 0) return { candidates: able, tiers, ...leftOut };
  const isIn = loadLimit(able, policy.weight_factor);
  const least: Candidate[] = [];
  for (const candidate of able)
    if (isIn(candidate)) least.push(candidate);
    else leave(leftOut, candidate, 'load', named);
  return { candidates: least, tiers, ...leftOut };
};

export const route = (question: Question): Route => {
  const { candidates, policy, seed, count = 1 } = question;
  const { leftBy, left, ...eligible } = sift(question);
  const chosen = choose(eligible, count, policy, seed);
  const able = eligible.candidates.length;
  return {
    targets: chosen.map(({ candidate: { id }, ...turn }) => ({ id, ...turn })),
    policy: policy.type,
    why: chosen[0] ? whyThis(chosen[0].candidate, policy, able, candidates.length) : whyNobody(leftBy, candidates.length),
    eligible: able,
    leftBy,
    left,
  };
};
