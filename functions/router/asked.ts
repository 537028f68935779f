/** What is asked, by `route.<subject>` or for an explanation. Pure. */
import { contentId } from '#shared/content-id.ts';
import type { controlRoutingExplain } from '#shared/messages/control-routing.ts';
import { type Priority, priority } from '#shared/messages/fields.ts';
import type { Received } from '#shared/messages/message.ts';
import type { RouteRequest, route } from '#shared/messages/routing.ts';
import { TASKS } from '#shared/routing/policies.ts';
import { parseSubject, subjects } from '#shared/subjects.ts';
import { type Need, needOf as taskNeedOf } from '#shared/tasks/need.ts';

export type Asked = { subject: string; body: RouteRequest /** What is drawn follows from it. */; seed: string };

type Event = Received<typeof route> | Received<typeof controlRoutingExplain>;

export const askedBy = (event: Event): Asked => {
  const subject = event.message === 'route' ? event.params.subject : (event.body.subject ?? TASKS);
  // The inbox is the request's own.
  return { subject, body: event.body, seed: event.body.key ?? `${event.reply}|${event.sentAt}` };
};

/** What it says, or for work its subject: `work.nlp.high.parse`. */
export const priorityOf = ({ subject, body }: Pick<Asked, 'subject' | 'body'>): Priority =>
  body.priority ?? priority.safeParse(parseSubject(subjects.work, subject)?.priority).data ?? 'normal';

/** The id of what is remembered of a subject. */
export const turnsIdOf = (subject: string): string => contentId(subject);

export const needOf = ({ participants, ...requirements }: RouteRequest): Need => taskNeedOf({ requirements, participants });

export type Role = { domain: string; name: string };

/** Undefined: the subject is no role's. */
export const roleOf = (subject: string): Role | undefined => {
  const role = parseSubject(subjects.agentAction, subject);
  return role && { domain: role.domain, name: role.name };
};
