/** Alerts as they are raised, and notifications: alerts grouped for people. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, id, severity, time } from './fields.ts';
import { defineMessage, output } from './message.ts';

const alertBody = z.looseObject({
  alert_id: id.optional(),
  severity,
  source: z.string().optional(),
  summary: z.string().min(1),
  agent_ids: z.array(id).optional(),
  first_seen: time.optional(),
  count: atLeastOne.optional(),
  /** What the alert is about: alerts of one source and group are told together. Absent: the summary without its ids and numbers. */
  group: z.string().min(1).optional(),
  /** `resolved`: what its group told is over. Absent: firing. */
  status: z.enum(['firing', 'resolved']).optional(),
});
export type Alert = z.infer<typeof alertBody>;

export const alert = defineMessage({ name: 'alert', subject: subjects.alert, by: 'ALERTS', body: alertBody });

/** An alert to publish. `alert_id` is the same at every attempt to raise it. */
export const raise = (body: Alert & Required<Pick<Alert, 'alert_id' | 'source'>>) => output(alert, { severity: body.severity }, body);

const notificationBody = alertBody.extend({
  /** The same one twice is one notification. */
  notification_id: id.optional(),
  /** Of the group that it tells of: what `control.alerts.resolve` takes. */
  group_id: id.optional(),
  /** A digest: how many groups it tells of. */
  groups: atLeastOne.optional(),
  last_seen: time.optional(),
});
export type Notification = z.infer<typeof notificationBody>;

export const notification = defineMessage({
  name: 'notification',
  subject: subjects.notification,
  by: 'ALERTS',
  body: notificationBody,
});
