/**
 * Groups alerts for people, as Prometheus' Alertmanager does: what is about one thing is told once, after a wait in which
 * others can join, then when there are news, then every few hours while it fires, and once when it is over. `notices` bounds
 * how many notifications that are, whatever number of groups there is.
 */
import { type Alarm, type Context, type Decision, type Done, defineEntity, done } from '#shared/entity/entity.ts';
import { keyOf } from '#shared/entity/key.ts';
import { alert } from '#shared/messages/alert.ts';
import { controlAlertsResolve } from '#shared/messages/control-supervision.ts';
import type { Severity } from '#shared/messages/fields.ts';
import type { Received } from '#shared/messages/message.ts';
import { alertHash, alertsKind, type Firing, type Group, groupId, joined, type Resolved, remembered, toWire } from './group.ts';
import { noticesKind, tell } from './notices.ts';
import type { Settings } from './settings.ts';
import { SILENCES_ID, type Silences, silencesKind, silentUntil } from './silence.ts';

/** A silence may be lifted before its time. */
const LOOK_AGAIN_MS = 60_000;

type Alerted = Received<typeof alert>;
type Event = Alerted | Received<typeof controlAlertsResolve> | Alarm;

/** The silences, by id of their entity. */
type GroupContext = Context<Settings, ReadonlyMap<string, Silences>>;
export const decide = (before: Group | undefined, event: Event, context: GroupContext): Decision<Group> => {
  const open = before?.status === 'firing' ? before : undefined;
  switch (event.message) {
    case 'alert':
      return hear(before, event, context);
    case 'alarm':
      return open ? goOn(open, context) : done({ wakeAt: null });
    case 'controlAlertsResolve': {
      if (!open) return done({ reply: { error: { code: 'not_found', message: `no group ${context.id} of alerts fires` } } });
      const over = resolve(open, context.now, context);
      return { ...over, reply: { body: { group: toWire(context.id, over.state ?? open) } } };
    }
    default:
      throw event satisfies never;
  }
};

const hear = (before: Group | undefined, event: Alerted, context: GroupContext): Decision<Group> => {
  const { body, sentAt } = event;
  const id = alertHash(body);
  if (id !== undefined && before?.alertIds.includes(id)) return done();
  // It was overtaken by what ended the group.
  if (before?.status === 'resolved' && sentAt <= before.overUntil) return done();
  if (body.status !== 'resolved') return goOn(joined(before, event), context);
  if (before?.status !== 'firing' || sentAt < before.lastSeen) return done();
  return resolve({ ...before, alertIds: remembered(before.alertIds, body) }, sentAt, context);
};

/** When people should be told of a group that fires, epoch ms. */
const tellAt = ({ severity, firstSeen, told, news }: Firing, settings: Settings): number => {
  if (!told) return severity === 'critical' ? firstSeen : firstSeen + settings.groupWaitMs;
  if (!news) return told.at + settings.repeatIntervalMs;
  const isWorse = severity === 'critical' && told.severity !== 'critical';
  return isWorse ? told.at : told.at + settings.groupIntervalMs;
};

/** Tells, resolves or waits. */
const goOn = (group: Firing, context: GroupContext): Decision<Group> => {
  const { now, id, settings } = context;
  const due = tellAt(group, settings);
  const ends = group.lastSeen + settings.resolveTimeoutMs;
  const silent = now < due ? undefined : silentUntil(silencesOf(context), id, group, now);
  if (now >= due && silent === undefined) {
    const state: Firing = { ...group, news: false, told: { at: now, severity: group.severity } };
    const again = Math.min(tellAt(state, settings), ends);
    return done({ ...told(state, context), state, wakeAt: again });
  }
  // What is sent after the last alert is heard of later, and fires anew.
  if (now >= ends) return resolve(group, group.lastSeen, context);
  if (silent === undefined) return done({ state: group, wakeAt: Math.min(due, ends) });
  return done({ state: group, wakeAt: Math.min(silent, ends), checkAt: now + LOOK_AGAIN_MS });
};

/** `overUntil`: alerts that were sent until then are part of what is over, epoch ms. People hear of the end of what they were told. */
const resolve = (group: Firing, overUntil: number, context: GroupContext): Done<Group> => {
  const { told: before, news: _, ...rest } = group;
  const state: Resolved = { ...rest, status: 'resolved', overUntil };
  const isTold = before !== undefined && silentUntil(silencesOf(context), context.id, group, context.now) === undefined;
  return { outcome: 'done', ...(isTold && told(state, context)), state, wakeAt: null };
};

const told = (group: Group, context: GroupContext): Pick<Done<Group>, 'publish' | 'also'> => {
  const { notices, publish } = tell(context.also(noticesKind, group.severity), group, context);
  return { publish, also: { [keyOf(noticesKind.kind, group.severity)]: notices } };
};

const silencesOf = ({ view }: GroupContext) => view.get(SILENCES_ID)?.silences ?? [];

/** What the group has after an event. */
const severityAfter = (group: Group | undefined, event: Event): Severity | undefined =>
  event.message === 'alert' && event.body.status !== 'resolved' ? joined(group, event).severity : group?.severity;

export const groups = defineEntity({
  of: alertsKind,
  accepts: [alert, controlAlertsResolve],
  id: (event) => (event.message === 'alert' ? groupId(event.body) : event.body.group_id),
  decide,
  read: (_, reader) => reader.load(silencesKind, [SILENCES_ID]),
  also: (group, event) => {
    const severity = severityAfter(group, event);
    return severity === undefined ? [] : [keyOf(noticesKind.kind, severity)];
  },
});
