/**
 * What could not be processed: the original bytes and headers, with where they came from and why they are here. And the
 * server's word that a consumer, ours or anybody's, is never given a message again.
 */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { count, time } from './fields.ts';
import { defineMessage } from './message.ts';
import { opaque } from './opaque.ts';

export const deadLetter = defineMessage({
  name: 'deadLetter',
  subject: subjects.deadLetter,
  by: 'DEAD_LETTERS',
  body: opaque,
});

const advisoryBody = z.looseObject({
  id: z.string(),
  timestamp: time,
  stream: z.string(),
  consumer: z.string(),
  stream_seq: count,
  deliveries: count,
  reason: z.string().optional(),
});
export type Advisory = z.infer<typeof advisoryBody>;

/** A message was delivered as often as its consumer allows. */
export const maxDeliveries = defineMessage({
  name: 'maxDeliveries',
  subject: subjects.maxDeliveries,
  by: 'ADVISORIES',
  body: advisoryBody,
});

/** A client refused a message for good. */
export const messageTerminated = defineMessage({
  name: 'messageTerminated',
  subject: subjects.messageTerminated,
  by: 'ADVISORIES',
  body: advisoryBody,
});
