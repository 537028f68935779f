/** A group of alerts: those of one source about one thing, which people are told of together. Plain data. */
import * as z from 'zod';
import { blank } from '#shared/blank.ts';
import { contentId } from '#shared/content-id.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';
import type { Alert, alert } from '#shared/messages/alert.ts';
import { type Severity, severity } from '#shared/messages/fields.ts';
import type { Received } from '#shared/messages/message.ts';

const MAX_AGENTS = 100;
const MAX_ALERT_IDS = 100;
const MAX_NAME = 200;
const MAX_SUMMARY = 500;
const SHOWN_AGENTS = 20;
const KEEP_RESOLVED_MS = 24 * 3_600_000;
const UNKNOWN_SOURCE = 'unknown';
const SEVERITIES = severity.options;

/** Times are epoch ms; of alerts, the server's. */
const common = {
  source: z.string(),
  /** What its alerts are about: their `group`, or a summary without what differs. */
  name: z.string(),
  /** Of the last alert. */
  summary: z.string(),
  /** The highest since it fires. */
  severity,
  firstSeen: z.number(),
  lastSeen: z.number(),
  /** Alerts since it fires. */
  count: z.int(),
  agents: z.array(z.string()),
  /** Hashes of the last alerts' ids: an alert that comes twice is one. */
  alertIds: z.array(z.string()),
};

const firingSchema = z.object({
  ...common,
  status: z.literal('firing'),
  /** Whether there is an agent or a higher severity that people do not know of. */
  news: z.boolean(),
  /** The last time that people were told, by itself or in a digest. */
  told: z.object({ at: z.number(), severity }).optional(),
});
/** `overUntil`: alerts sent until then belong to what is over. */
const resolvedSchema = z.object({ ...common, status: z.literal('resolved'), overUntil: z.number() });

const groupSchema = z.discriminatedUnion('status', [firingSchema, resolvedSchema]);

export type Firing = z.infer<typeof firingSchema>;
export type Resolved = z.infer<typeof resolvedSchema>;
export type Group = z.infer<typeof groupSchema>;

/** By which the groups are found that are not resolved. */
export const FIRING = 'alerts.firing';

export const alertsKind: Kind<Group> = {
  kind: 'alerts',
  schema: groupSchema,
  version: 1,
  expiresAt: (group) => (group.status === 'resolved' ? group.lastSeen + KEEP_RESOLVED_MS : undefined),
  lookup: ({ status }) => (status === 'firing' ? FIRING : undefined),
};

export const highest = (a: Severity, b: Severity): Severity => (SEVERITIES.indexOf(a) > SEVERITIES.indexOf(b) ? a : b);

const nameOf = ({ group, summary, agent_ids = [] }: Alert): string => group ?? blank(summary, new Set(agent_ids));

/** 16 hex digits. */
export const groupId = (body: Alert): string => contentId({ source: body.source ?? UNKNOWN_SOURCE, name: nameOf(body) }).slice(0, 16);

/** Undefined: it has no id. */
export const alertHash = ({ alert_id }: Alert): string | undefined =>
  alert_id === undefined ? undefined : contentId(alert_id).slice(0, 16);

export const remembered = (ids: readonly string[], body: Alert): string[] => {
  const id = alertHash(body);
  return id === undefined ? [...ids] : [...ids, id].slice(-MAX_ALERT_IDS);
};

/** With one more alert. A group that was resolved fires anew. */
export const joined = (before: Group | undefined, { body, sentAt }: Received<typeof alert>): Firing => {
  const open = before?.status === 'firing' ? before : undefined;
  // A longer id fits no subject.
  const named = (body.agent_ids ?? []).filter((id) => id.length <= MAX_NAME);
  const agents = [...new Set([...(open?.agents ?? []), ...named])].slice(0, MAX_AGENTS);
  const severity = open ? highest(open.severity, body.severity) : body.severity;
  return {
    status: 'firing',
    source: (body.source ?? UNKNOWN_SOURCE).slice(0, MAX_NAME),
    name: nameOf(body).slice(0, MAX_NAME),
    summary: body.summary.slice(0, MAX_SUMMARY),
    severity,
    firstSeen: Math.min(open?.firstSeen ?? sentAt, sentAt),
    lastSeen: Math.max(open?.lastSeen ?? sentAt, sentAt),
    count: (open?.count ?? 0) + 1,
    agents,
    alertIds: remembered(before?.alertIds ?? [], body),
    news: !open || open.news || agents.length > open.agents.length || severity !== open.severity,
    ...(open?.told && { told: open.told }),
  };
};

/** What a group says of itself, in a notification and to operators. */
export const factsOf = (id: string, { source, name, severity, status, count, agents, firstSeen, lastSeen }: Group) => ({
  group_id: id,
  group: name,
  source,
  severity,
  status,
  count,
  agent_ids: agents.slice(0, SHOWN_AGENTS),
  first_seen: iso(firstSeen),
  last_seen: iso(lastSeen),
});

/** As operators see it. */
export const toWire = (id: string, group: Group) => ({
  ...factsOf(id, group),
  summary: group.summary,
  ...(group.status === 'firing' && group.told && { told_at: iso(group.told.at) }),
});
