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
  /**
   * Of an acquire: the same one again is one request. Another one, of an agent that came back, gets a new token. Of renew, release and
   * transfer: the acquire whose lease or wait is meant.
   */
  request_id: id.optional(),
  /** Of renew, release and transfer: the lease that is meant. Without it: whatever the requester holds, or waits for. */
  fencing_token: count.optional(),
  /** Of a transfer: who has it from now on. */
  transfer_to: id.optional(),
  /** Of a release in the name of an agent that is gone: what it asked for since then is another incarnation's. */
  gone_at: time.optional(),
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

export const RESOURCE_STATUSES = ['granted', 'queued', 'released', 'expired', 'refused'] as const;

const grantedBody = z.looseObject({
  resource_id: id,
  requester: id,
  status: z.enum(RESOURCE_STATUSES),
  /** Of granted: the request that it is for. */
  request_id: id.optional(),
  fencing_token: count.optional(),
  lease_until: time.optional(),
  /** In the queue, from 1. */
  position: atLeastOne.optional(),
  /** Why it is refused, or over. */
  code: z.string().optional(),
  reason: z.string().optional(),
});
export type ResourceGranted = z.infer<typeof grantedBody>;

export const resourceGranted = defineMessage({
  name: 'resourceGranted',
  subject: subjects.resourceGranted,
  by: 'COORDINATION_MESSAGES',
  body: grantedBody,
});
