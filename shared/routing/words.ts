/** A choice in a sentence, for people. Pure. */
import type { Policy } from '#shared/messages/routing-policy.ts';
import type { Candidate } from './candidate.ts';
import { balancerOf } from './choice.ts';
import { type Reason, summary } from './left-out.ts';

/** What speaks for it. */
const merit = ({ active, capacity, responseMs }: Candidate, policy: Policy): string => {
  const balancer = balancerOf(policy);
  if (typeof balancer === 'object') return `by the weighted sum of ${Object.keys(balancer.hybrid).join(', ')}`;
  switch (balancer) {
    case 'longest_ago':
      return 'for its turn is longest ago';
    case 'least_connections':
      return `for it has the smallest share of its capacity in use, ${active} of ${capacity}`;
    case 'weighted_round_robin':
      return `for it is its turn, of ${capacity} in a round`;
    case 'response_time':
      return `for it answers soonest, with ${active} tasks${responseMs === undefined ? '' : ` of about ${Math.round(responseMs)} ms`}`;
    case 'resource_utilization':
      return 'for it has the most cpu and memory to spare';
    case 'power_of_two_choices':
      return `for it has the smaller share of its capacity in use, ${active} of ${capacity}, of two that were drawn`;
    default:
      throw balancer satisfies never;
  }
};

/** Whom the policy put in the same place. */
const among = ({ id, zone }: Candidate, policy: Policy): string => {
  switch (policy.type) {
    case 'round_robin':
      return '';
    case 'load_based':
      return policy.weight_factor === undefined ? '' : ` among the ${Math.round(policy.weight_factor * 100)}% that are loaded least`;
    case 'capability_based':
      return policy.preference_order?.includes(id) ? ', the most preferred that can' : '';
    case 'topology_aware':
      return zone !== undefined && policy.preferred_zones.includes(zone) ? ` in zone ${zone}` : ', for nobody in a preferred zone can';
    case 'priority_based':
      return policy.high_priority_targets.includes(id) ? ' among those for high priority' : '';
    default:
      throw policy satisfies never;
  }
};

export const whyThis = (chosen: Candidate, policy: Policy, eligible: number, all: number): string =>
  `${chosen.id}${among(chosen, policy)}, ${merit(chosen, policy)}; ${eligible} of ${all} agents could take it`;

export const whyNobody = (leftBy: Readonly<Partial<Record<Reason, number>>>, all: number): string =>
  all === 0 ? 'no agent is known that could be asked' : `none of ${all} agents can take it now: ${summary(leftBy)}`;
