/** Asking who should get a message, for those who send it themselves. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, id, priority } from './fields.ts';
import { defineMessage } from './message.ts';
import { orEmpty } from './opaque.ts';

const MAX_TARGETS = 100;

/** What the receiver has to be; nothing said: whoever there is. */
export const routeRequest = z.looseObject({
  /** All of them. */
  capabilities: z.array(z.string()).max(50).optional(),
  domain: id.optional(),
  zone: z.string().optional(),
  /** Only these. */
  participants: z.array(id).max(500).optional(),
  priority: priority.optional(),
  /** How many different ones, at most. */
  count: atLeastOne.max(MAX_TARGETS).optional(),
  /** The same key draws the same, where the policy draws. */
  key: z.string().optional(),
});
export type RouteRequest = z.infer<typeof routeRequest>;

export const route = defineMessage({
  name: 'route',
  subject: subjects.route,
  by: 'request',
  body: routeRequest,
  raw: orEmpty,
});

/** The answer: the best first; nobody can: none, and `why`. */
export const routeAnswer = z.looseObject({ targets: z.array(id), why: z.string(), policy: z.string().optional() });
export type RouteAnswer = z.infer<typeof routeAnswer>;
