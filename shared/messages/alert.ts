/** Alerts as they are raised, and notifications: alerts grouped for people. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, id, severity, time } from './fields.ts';
import { defineMessage } from './message.ts';

const alertBody = z.looseObject({
  alert_id: id.optional(),
  severity,
  source: z.string().optional(),
  summary: z.string().min(1),
  agent_ids: z.array(id).optional(),
  first_seen: time.optional(),
  count: atLeastOne.optional(),
});
export type Alert = z.infer<typeof alertBody>;

export const alert = defineMessage({ name: 'alert', subject: subjects.alert, by: 'ALERTS', body: alertBody });

export const notification = defineMessage({ name: 'notification', subject: subjects.notification, by: 'ALERTS', body: alertBody });
