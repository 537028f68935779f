/** Candidates of routing: one by one, and any. */
import * as fc from 'fast-check';
import type { Priority } from '#shared/messages/fields.ts';
import type { Policy } from '#shared/messages/routing-policy.ts';
import type { Candidate } from '#shared/routing/candidate.ts';
import { type Question, type Route, route } from '#shared/routing/route.ts';

/** Idle, healthy, with room for ten. */
export const candidate = (id: string, more: Partial<Candidate> = {}): Candidate => {
  const { capacity = 10, active = 0 } = more;
  return {
    id,
    capabilities: [],
    capacity,
    active,
    room: capacity - active,
    load: 0,
    last: 0,
    healthy: true,
    circuit: undefined,
    ...more,
  };
};

/** Nothing special is asked. */
export const ask = (candidates: readonly Candidate[], policy: Policy, more: Partial<Question> = {}): Route =>
  route({ candidates, policy, need: { capabilities: [], participants: [] }, priority: 'normal', seed: 1, ...more });

export const idsOf = ({ targets }: Route): string[] => targets.map(({ id }) => id);

const share = fc.double({ min: 0, max: 1, noNaN: true });
const IDS = Array.from({ length: 12 }, (_, n) => `a${n}`);
const someIds = fc.uniqueArray(fc.constantFrom(...IDS), { minLength: 1, maxLength: 6 });
const maybe = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });

const anyCandidate = (id: string): fc.Arbitrary<Candidate> =>
  fc
    .record({
      domain: maybe(fc.constantFrom('nlp', 'vision')),
      zone: maybe(fc.constantFrom('z1', 'z2', 'z3')),
      capabilities: fc.subarray(['ocr', 'parse']),
      capacity: fc.integer({ min: 1, max: 20 }),
      active: fc.integer({ min: 0, max: 20 }),
      load: share,
      cpu: maybe(share),
      memory: maybe(share),
      errorRate: maybe(share),
      responseMs: maybe(fc.double({ min: 0, max: 10_000, noNaN: true })),
      last: fc.integer({ min: 0, max: 5 }),
      turn: maybe(fc.double({ min: 0, max: 20, noNaN: true })),
      healthy: fc.boolean(),
      circuit: fc.constantFrom(undefined, 'closed' as const, 'open' as const, 'half-open' as const),
    })
    .map((given) => ({ id, ...given, room: given.capacity - given.active }));

/** Of different ids. */
export const anyCandidates: fc.Arbitrary<Candidate[]> = someIds.chain((ids) => fc.tuple(...ids.map(anyCandidate)));

const weights = fc.record(
  {
    cpu_usage: fc.constantFrom(0.5, 1, 3),
    memory_usage: fc.constantFrom(0.5, 1),
    active_tasks: fc.constantFrom(0.5, 2),
    response_time: fc.constantFrom(1, 2),
    error_rate: fc.constantFrom(1, 5),
  },
  { requiredKeys: ['active_tasks'] },
);

export const anyBalancer = fc.oneof(
  fc.constantFrom(
    'weighted_round_robin' as const,
    'least_connections' as const,
    'response_time' as const,
    'resource_utilization' as const,
    'power_of_two_choices' as const,
  ),
  weights.map((hybrid) => ({ hybrid })),
);

const balanced = fc.record({ balancer: anyBalancer }, { requiredKeys: [] });

export const anyPolicy: fc.Arbitrary<Policy> = fc.oneof(
  maybe(someIds).map((targets): Policy => ({ type: 'round_robin', targets })),
  fc
    .tuple(maybe(someIds), maybe(fc.double({ min: 0.01, max: 1, noNaN: true })), balanced)
    .map(([targets, weight_factor, by]): Policy => ({ type: 'load_based', targets, weight_factor, ...by })),
  fc.tuple(fc.subarray(['ocr', 'parse']), maybe(someIds), balanced).map(([required_capabilities, preference_order, by]): Policy => {
    return { type: 'capability_based', required_capabilities, preference_order, ...by };
  }),
  fc
    .tuple(fc.uniqueArray(fc.constantFrom('z1', 'z2'), { minLength: 1 }), maybe(someIds), balanced)
    .map(([preferred_zones, fallback_targets, by]): Policy => ({ type: 'topology_aware', preferred_zones, fallback_targets, ...by })),
  fc.tuple(someIds, maybe(someIds), balanced).map(([high_priority_targets, normal_targets, by]): Policy => {
    return { type: 'priority_based', high_priority_targets, normal_targets, ...by };
  }),
);

export const anyQuestion: fc.Arbitrary<Question & { count: number }> = fc.record({
  candidates: anyCandidates,
  policy: anyPolicy,
  need: fc.record(
    {
      capabilities: fc.subarray(['ocr', 'parse']),
      zone: fc.constantFrom('z1', 'z2'),
      domain: fc.constantFrom('nlp', 'vision'),
      participants: fc.oneof(fc.constant<string[]>([]), someIds),
    },
    { requiredKeys: ['capabilities', 'participants'] },
  ),
  priority: fc.constantFrom<Priority>('critical', 'high', 'normal', 'low'),
  seed: fc.integer(),
  count: fc.integer({ min: 1, max: 4 }),
});
