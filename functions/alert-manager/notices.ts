/**
 * How many notifications a severity may have: one entity each, changed in one transaction with a group that tells something. So
 * many go out by themselves within any minute (a sliding log of their times); what exceeds that is counted, and told as one
 * digest, at most one a minute.
 */
import * as z from 'zod';
import { type Context, type Decision, defineEntity, done, type Output } from '#shared/entity/entity.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';
import { type Notification, notification } from '#shared/messages/alert.ts';
import type { Severity } from '#shared/messages/fields.ts';
import { type AnyMessage, output } from '#shared/messages/message.ts';
import { buildSubject, internalSubjects } from '#shared/subjects.ts';
import { factsOf, type Group } from './group.ts';
import type { Settings } from './settings.ts';

export const SOURCE = 'alert-manager';
const MINUTE_MS = 60_000;
const NAMED_GROUPS = 3;
const NAMED_AGENTS = 20;

const digestSchema = z.object({
  /** Since when it waits. */
  since: z.number(),
  firing: z.int(),
  resolved: z.int(),
  alerts: z.int(),
  names: z.array(z.string()),
  agents: z.array(z.string()),
  firstSeen: z.number(),
  lastSeen: z.number(),
});
type Digest = z.infer<typeof digestSchema>;

/** Times are epoch ms. */
const noticesSchema = z.object({
  /** Of the notifications of the last minute that were no digest. */
  told: z.array(z.number()),
  /** Of the last digest. */
  digestAt: z.number().optional(),
  /** What waits to be told together. */
  digest: digestSchema.optional(),
});
export type Notices = z.infer<typeof noticesSchema>;

/** Its ids are the severities. */
export const noticesKind: Kind<Notices> = { kind: 'notices', schema: noticesSchema, version: 1 };

type Ids = Pick<Context<Settings>, 'id' | 'now' | 'newId' | 'settings'>;

const summaryOf = ({ status, count, agents, summary, source }: Group): string => {
  const over = status === 'resolved' ? 'resolved: ' : '';
  if (count === 1) return `${over}${summary}`;
  const about = agents.length > 1 ? ` about ${agents.length} agents` : '';
  return `${over}${count} alerts of ${source}${about}, the last: ${summary}`;
};

const notify = (severity: Severity, body: Notification): Output => output(notification, { severity }, body);

const single = (group: Group, { id, newId }: Ids): Output =>
  notify(group.severity, { notification_id: newId('notification'), ...factsOf(id, group), summary: summaryOf(group) });

const added = (before: Digest | undefined, group: Group, now: number): Digest => {
  const { status, name, count, agents, firstSeen, lastSeen } = group;
  return {
    since: before?.since ?? now,
    firing: (before?.firing ?? 0) + (status === 'firing' ? 1 : 0),
    resolved: (before?.resolved ?? 0) + (status === 'resolved' ? 1 : 0),
    alerts: (before?.alerts ?? 0) + count,
    names: [...(before?.names ?? []), name].slice(0, NAMED_GROUPS),
    agents: [...new Set([...(before?.agents ?? []), ...agents])].slice(0, NAMED_AGENTS),
    firstSeen: Math.min(before?.firstSeen ?? firstSeen, firstSeen),
    lastSeen: Math.max(before?.lastSeen ?? lastSeen, lastSeen),
  };
};

/** The first group that waits has the entity woken, which then sets its own alarm. */
const wake = (severity: Severity, now: number): Output => ({
  subject: buildSubject(internalSubjects.timerDue, { function: SOURCE, key: `${noticesKind.kind}.${severity}.${now}` }),
  body: { due: iso(now) },
});

/** Tells of a group, by itself or in the next digest of its severity. `ids` are the group's. */
export const tell = (before: Notices | undefined, group: Group, ids: Ids): { notices: Notices; publish: Output[] } => {
  const { now, settings } = ids;
  const told = (before?.told ?? []).filter((at) => at > now - MINUTE_MS);
  // The last one is the digest's.
  if (told.length < settings.perMinute - 1) return { notices: { ...before, told: [...told, now] }, publish: [single(group, ids)] };
  const notices = { ...before, told, digest: added(before?.digest, group, now) };
  return { notices, publish: before?.digest ? [] : [wake(group.severity, now)] };
};

const digestSummary = ({ firing, resolved, alerts, names }: Digest): string => {
  const groups = firing + resolved;
  const over = resolved === 0 ? '' : ` (${resolved} resolved)`;
  const such = names.length < groups ? `such as ${names.join(', ')}` : names.join(', ');
  return `${groups} more groups with ${alerts} alerts${over}: ${such}; control.alerts.list shows all that fire`;
};

const digestOf = (severity: Severity, digest: Digest, { newId }: Pick<Context, 'newId'>): Output => {
  const { firing, resolved, alerts, agents, firstSeen, lastSeen } = digest;
  return notify(severity, {
    notification_id: newId('digest'),
    severity,
    source: SOURCE,
    status: firing > 0 ? 'firing' : 'resolved',
    summary: digestSummary(digest),
    groups: firing + resolved,
    count: alerts,
    agent_ids: agents,
    first_seen: iso(firstSeen),
    last_seen: iso(lastSeen),
  });
};

const decide = (before: Notices | undefined, _: unknown, context: Context<Settings>): Decision<Notices> => {
  if (!before?.digest) return done({ wakeAt: null });
  const { digest, digestAt = -Infinity, told } = before;
  const due = Math.max(digest.since + context.settings.groupWaitMs, digestAt + MINUTE_MS);
  if (context.now < due) return done({ wakeAt: due });
  const publish = [digestOf(context.id as Severity, digest, context)];
  return done({ state: { told, digestAt: context.now }, publish, wakeAt: null });
};

export const notices = defineEntity<Notices, AnyMessage, Settings>({ of: noticesKind, accepts: [], id: () => '', decide });
