/**
 * How the receiver of a message is chosen: document 000's routing policies, each with a balancer that chooses among those the
 * policy leaves. In the words of the wire.
 */
import * as z from 'zod';
import { id } from './fields.ts';

/** A policy is part of one entity, whose size is limited. */
const agents = z.array(id).max(500);
const names = z.array(z.string().min(1).max(200)).max(50);
const weight = z.number().gt(0).max(1000);

const FACTORS = ['cpu_usage', 'memory_usage', 'active_tasks', 'response_time', 'error_rate'] as const;
const factors = z
  .partialRecord(z.enum(FACTORS), weight)
  .refine((weights) => Object.keys(weights).length > 0, { error: `must weigh at least one of ${FACTORS.join(', ')}` });
export type Factors = z.infer<typeof factors>;

export const BALANCERS = [
  'weighted_round_robin',
  'least_connections',
  'response_time',
  'resource_utilization',
  'power_of_two_choices',
] as const;

const balancer = z.union([z.enum(BALANCERS), z.strictObject({ hybrid: factors })], {
  error: `must be one of ${BALANCERS.join(', ')}, or {"hybrid": weights} with weights above 0 of ${FACTORS.join(', ')}`,
});
export type Balancer = z.infer<typeof balancer>;

const balanced = { /** Absent: least_connections. */ balancer: balancer.optional() };

const POLICIES = ['round_robin', 'load_based', 'capability_based', 'topology_aware', 'priority_based'] as const;

export const policy = z.discriminatedUnion(
  'type',
  [
    z.strictObject({ type: z.literal('round_robin'), /** Absent: whoever can. */ targets: agents.min(1).optional() }),
    z.strictObject({
      type: z.literal('load_based'),
      targets: agents.min(1).optional(),
      /** The share of those that could, the least loaded first, among which is chosen; absent: 1. */
      weight_factor: z.number().gt(0).max(1).optional(),
      ...balanced,
    }),
    z.strictObject({
      type: z.literal('capability_based'),
      required_capabilities: names.optional(),
      /** The first of them that can; absent, or none of them can: whoever can. */
      preference_order: agents.optional(),
      ...balanced,
    }),
    z.strictObject({
      type: z.literal('topology_aware'),
      /** In order. */
      preferred_zones: names.min(1),
      /** Where nobody in those zones can; absent: whoever can. */
      fallback_targets: agents.min(1).optional(),
      ...balanced,
    }),
    z.strictObject({
      type: z.literal('priority_based'),
      /** For what is critical or high. */
      high_priority_targets: agents.min(1),
      /** For the rest, and where none of the others can; absent: whoever else can. */
      normal_targets: agents.min(1).optional(),
      ...balanced,
    }),
  ],
  { error: `must have a type: ${POLICIES.join(', ')}` },
);
export type Policy = z.infer<typeof policy>;
