/** Shared resources: asked for by kind or by name, granted with a fencing token that only grows. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, count, id, time } from './fields.ts';
import { defineMessage } from './message.ts';

const requestBody = z.looseObject({
  resource_id: id,
  coordination_type: z.enum(['acquire', 'renew', 'release', 'transfer']),
  requester: id,
  ttl_ms: atLeastOne.optional(),
  resource_details: z.unknown().optional(),
});
export type ResourceRequest = z.infer<typeof requestBody>;

export const resource = defineMessage({
  name: 'resource',
  subject: subjects.resource,
  by: 'COORDINATION_MESSAGES',
  body: requestBody,
});

export const resourceRequest = defineMessage({
  name: 'resourceRequest',
  subject: subjects.resourceRequest,
  by: 'COORDINATION_MESSAGES',
  body: requestBody,
});

const grantedBody = z.looseObject({ resource_id: id, requester: id, fencing_token: count, lease_until: time.optional() });
export type ResourceGranted = z.infer<typeof grantedBody>;

export const resourceGranted = defineMessage({
  name: 'resourceGranted',
  subject: subjects.resourceGranted,
  by: 'COORDINATION_MESSAGES',
  body: grantedBody,
});
