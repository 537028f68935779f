/** Asking agents how they are. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { id } from './fields.ts';
import { defineMessage } from './message.ts';
import { orEmpty } from './opaque.ts';

const requestBody = z.looseObject({});

export const healthCheck = defineMessage({
  name: 'healthCheck',
  subject: subjects.healthCheck,
  by: 'request',
  body: requestBody,
  raw: orEmpty,
});

/** A function asks every agent: a wildcard publish would reach none. */
export const healthCheckAll = defineMessage({
  name: 'healthCheckAll',
  subject: subjects.healthCheckAll,
  by: 'request',
  body: requestBody,
  raw: orEmpty,
});

/** What an agent answers. */
export const healthReport = z.looseObject({
  agent_id: id,
  status: z.enum(['ready', 'busy', 'paused', 'error']),
  uptime_seconds: z.number().min(0).optional(),
  current_load: z.number().min(0).optional(),
  capabilities: z.array(z.string()).optional(),
  last_error: z.string().nullable().optional(),
});
export type HealthReport = z.infer<typeof healthReport>;

/** The answer to a check that the health monitor sent. */
export const healthAnswer = defineMessage({
  name: 'healthAnswer',
  subject: subjects.healthAnswer,
  by: 'core',
  body: z.looseObject({ agent_id: id, status: z.string().optional() }),
  raw: orEmpty,
});
