/** Supervisors: their own life and tree, and the order to restart what they started. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, count, id } from './fields.ts';
import { defineMessage } from './message.ts';

export const STRATEGIES = ['one_for_one', 'rest_for_one', 'one_for_all'] as const;
export const RESTART_TYPES = ['permanent', 'transient', 'temporary'] as const;
export const AUTO_SHUTDOWNS = ['never', 'any_significant', 'all_significant'] as const;

/** A child as OTP's child_spec names it. */
export const childFields = z.looseObject({
  id,
  type: z.enum(['agent', 'supervisor']).optional(),
  restart: z.enum(RESTART_TYPES).optional(),
  significant: z.boolean().optional(),
  /** How long it may take to stop before it is killed. */
  shutdown_ms: count.optional(),
});

/** What a supervisor is; what is left out stays as it was, or is the default. */
export const supervisorFields = {
  strategy: z.enum(STRATEGIES).optional(),
  /** At most so many restarts in `period_ms`. */
  intensity: count.optional(),
  period_ms: atLeastOne.optional(),
  auto_shutdown: z.enum(AUTO_SHUTDOWNS).optional(),
  parent: id.optional(),
  /** In the order in which they are started; a plain id is an agent. */
  children: z.array(z.union([id.transform((id) => ({ id })), childFields])).optional(),
};

const eventBody = z.looseObject({
  type: z.literal('supervisor_lifecycle').default('supervisor_lifecycle'),
  supervisor_id: id,
  /**
   * From a supervisor's process: `started` (it says what it is), `updated`, `child_added`, `child_removed`, `stopped`,
   * `restart_failed`. To it: `escalation`. From recovery-coordinator: `recovering`, then `recovered`, `gave_up` or `joined`
   * (another recovery took it over); `auto_shutdown`, `not_restarted` (a temporary child that failed).
   */
  event_type: z.string().min(1),
  ...supervisorFields,
  affected_agents: z.array(id).optional(),
});
export type SupervisorEvent = z.infer<typeof eventBody>;

export const supervisorEvent = defineMessage({
  name: 'supervisorEvent',
  subject: subjects.supervisorEvent,
  by: 'SUPERVISION_EVENTS',
  body: eventBody,
});

const restartBody = z.looseObject({
  agent_ids: z.array(id).min(1),
  reason: z.string().optional(),
  /** Counts from 1 within a recovery. The same recovery and attempt twice is one order. */
  attempt: atLeastOne.optional(),
  recovery_id: id.optional(),
  /** How long an agent that still runs may take to stop before it is killed. */
  shutdown_ms: count.optional(),
  /** By agent: what it had. */
  last_known: z.record(id, z.looseObject({ tasks: z.array(z.unknown()).optional(), snapshot: z.unknown().optional() })).optional(),
});
export type SupervisorRestart = z.infer<typeof restartBody>;

export const supervisorRestart = defineMessage({
  name: 'supervisorRestart',
  subject: subjects.supervisorRestart,
  by: 'SUPERVISION_EVENTS',
  body: restartBody,
});
