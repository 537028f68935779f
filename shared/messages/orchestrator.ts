/** The message bus of document 004, field for field. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { id, time } from './fields.ts';
import { defineMessage } from './message.ts';

const messageType = z.enum([
  'status_update',
  'task_assignment',
  'task_complete',
  'task_failed',
  'question',
  'answer',
  'blocker',
  'resource_request',
  'resource_response',
  'coordination_request',
  'heartbeat',
]);

const busBody = z.looseObject({
  from_agent: id,
  /** null: to everybody who listens there. */
  to_agent: id.nullable().optional(),
  message_type: messageType,
  content: z.unknown().optional(),
  timestamp: time.optional(),
  /** May have dots: it never stands in a subject. */
  correlation_id: z.string().nullable().optional(),
});
export type OrchestratorMessage = z.infer<typeof busBody>;

export const orchestratorBroadcast = defineMessage({
  name: 'orchestratorBroadcast',
  subject: subjects.orchestratorBroadcast,
  by: 'core',
  body: busBody,
});

export const orchestratorAgent = defineMessage({
  name: 'orchestratorAgent',
  subject: subjects.orchestratorAgent,
  by: 'core',
  body: busBody,
});

export const orchestratorTeam = defineMessage({
  name: 'orchestratorTeam',
  subject: subjects.orchestratorTeam,
  by: 'core',
  body: busBody,
});

export const orchestratorQueue = defineMessage({
  name: 'orchestratorQueue',
  subject: subjects.orchestratorQueue,
  by: 'core',
  body: busBody,
});
