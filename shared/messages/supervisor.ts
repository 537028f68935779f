/** Supervisors: their own life and tree, and the order to restart what they started. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, count, id } from './fields.ts';
import { defineMessage } from './message.ts';

const eventBody = z.looseObject({
  type: z.literal('supervisor_lifecycle').default('supervisor_lifecycle'),
  supervisor_id: id,
  event_type: z.string().min(1),
  strategy: z.enum(['one_for_one', 'rest_for_one', 'one_for_all']).optional(),
  /** At most so many restarts in `period_ms`. */
  intensity: count.optional(),
  period_ms: atLeastOne.optional(),
  parent: id.optional(),
  /** In the order in which they are started. */
  children: z.array(id).optional(),
  affected_agents: z.array(id).optional(),
});
export type SupervisorEvent = z.infer<typeof eventBody>;

export const supervisorEvent = defineMessage({
  name: 'supervisorEvent',
  subject: subjects.supervisorEvent,
  by: 'SUPERVISION_EVENTS',
  body: eventBody,
});

const restartBody = z.looseObject({ agent_ids: z.array(id).min(1), reason: z.string().optional(), attempt: atLeastOne.optional() });
export type SupervisorRestart = z.infer<typeof restartBody>;

export const supervisorRestart = defineMessage({
  name: 'supervisorRestart',
  subject: subjects.supervisorRestart,
  by: 'SUPERVISION_EVENTS',
  body: restartBody,
});
