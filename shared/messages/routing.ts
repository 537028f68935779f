/** Asking who should get a message, for those who send it themselves. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { id } from './fields.ts';
import { defineMessage } from './message.ts';
import { orEmpty } from './opaque.ts';

export const route = defineMessage({
  name: 'route',
  subject: subjects.route,
  by: 'request',
  body: z.looseObject({}),
  raw: orEmpty,
});

/** The answer. */
export const routeAnswer = z.looseObject({ targets: z.array(id), why: z.string() });
export type RouteAnswer = z.infer<typeof routeAnswer>;
