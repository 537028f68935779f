/**
 * Which policy is for a subject: patterns as NATS has them (`*` one token, a last `>` one or more). Of those that match the most
 * specific counts: token by token from the left, a literal goes before `*`, and `*` before `>`; the first difference decides. Pure.
 */
import * as z from 'zod';
import type { Kind } from '#shared/entity/kind.ts';
import { type Policy, policy } from '#shared/messages/routing-policy.ts';
import { buildSubject, matchesFilter, subjects } from '#shared/subjects.ts';

/** The one entity. */
export const ROUTING = 'main';

const entrySchema = z.object({ pattern: z.string(), policy, by: z.string(), /** Epoch ms. */ at: z.number() });
export type Entry = z.infer<typeof entrySchema>;

const routingSchema = z.object({ /** No pattern twice. */ policies: z.array(entrySchema) });
export type Routing = z.infer<typeof routingSchema>;

/** Only router writes it. */
export const routingKind: Kind<Routing> = { kind: 'routing', schema: routingSchema, version: 1 };

/** The subject whose policy is for tasks that name none. */
export const TASKS = buildSubject(subjects.task, { coordination_type: 'assignment' });

/** Where nobody said anything: whoever has the smallest share of its capacity in use. */
export const DEFAULT_POLICY: Policy = { type: 'load_based' };

const rankOf = (token: string): number => (token === '>' ? 2 : token === '*' ? 1 : 0);

/** Of two patterns that match the same subject. */
const isMoreSpecific = (a: string, b: string): boolean => {
  const theirs = b.split('.');
  for (const [n, token] of a.split('.').entries()) {
    const difference = rankOf(token) - rankOf(theirs[n] ?? '>');
    if (difference !== 0) return difference < 0;
  }
  return false;
};

/** Undefined: none, so the default counts. */
export const policyFor = (routing: Routing | undefined, subject: string): Entry | undefined => {
  let best: Entry | undefined;
  for (const entry of routing?.policies ?? [])
    if (matchesFilter(entry.pattern, subject) && (!best || isMoreSpecific(entry.pattern, best.pattern))) best = entry;
  return best;
};

/** Agents that have to be among the candidates, whoever else is. */
export const namedBy = (policy: Policy): readonly string[] => {
  switch (policy.type) {
    case 'round_robin':
    case 'load_based':
      return policy.targets ?? [];
    case 'capability_based':
      return policy.preference_order ?? [];
    case 'topology_aware':
      return policy.fallback_targets ?? [];
    case 'priority_based':
      return [...policy.high_priority_targets, ...(policy.normal_targets ?? [])];
    default:
      throw policy satisfies never;
  }
};

/** Whether it asks how agents do: as they measure themselves, or as the calls to them went. */
export const asksFigures = (policy: Policy): boolean => {
  const balancer = 'balancer' in policy ? policy.balancer : undefined;
  return balancer === 'response_time' || balancer === 'resource_utilization' || typeof balancer === 'object';
};
