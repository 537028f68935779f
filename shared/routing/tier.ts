/** Whom a policy prefers: the tier of a candidate, 0 first. Only where a tier has nobody left is the next one asked. Pure. */
import type { Priority } from '#shared/messages/fields.ts';
import type { Policy } from '#shared/messages/routing-policy.ts';
import type { Candidate } from './candidate.ts';

/** The policy sends it to others. */
export const NONE = Infinity;

type TierOf = (candidate: Candidate) => number;

const ranked = (names: readonly string[]): ReadonlyMap<string, number> => new Map(names.map((name, rank) => [name, rank]));

/** 0, or NONE for those that a list does not name. Without a list: 0. */
const named = (targets: readonly string[] | undefined): TierOf => {
  if (!targets) return () => 0;
  const ids = new Set(targets);
  return ({ id }) => (ids.has(id) ? 0 : NONE);
};

/** Whether it has more than one. */
export const hasTiers = ({ type }: Policy): boolean => type !== 'round_robin' && type !== 'load_based';

export const tierBy = (policy: Policy, priority: Priority): TierOf => {
  switch (policy.type) {
    case 'round_robin':
    case 'load_based':
      return named(policy.targets);
    case 'capability_based': {
      const order = ranked(policy.preference_order ?? []);
      return ({ id }) => order.get(id) ?? order.size;
    }
    case 'topology_aware': {
      const zones = ranked(policy.preferred_zones);
      const fallback = named(policy.fallback_targets);
      return (candidate) => (candidate.zone === undefined ? undefined : zones.get(candidate.zone)) ?? zones.size + fallback(candidate);
    }
    case 'priority_based': {
      const high = new Set(policy.high_priority_targets);
      const normal = policy.normal_targets ? named(policy.normal_targets) : ({ id }: Candidate) => (high.has(id) ? NONE : 0);
      if (priority !== 'critical' && priority !== 'high') return normal;
      return (candidate) => (high.has(candidate.id) ? 0 : 1 + normal(candidate));
    }
    default:
      throw policy satisfies never;
  }
};
