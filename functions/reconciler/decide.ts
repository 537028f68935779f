/**
 * The sweep (docs/protocol.md, "The sweep"): what is overdue, an alarm that did not go off or outputs that nobody confirmed,
 * is woken through its owner, which is the only one that writes it and answers again what it still owes. A due alarm is a
 * hint, so one too many costs an invocation and nothing else.
 */
import * as z from 'zod';
import { type Alarm, type Context, type Decision, defineEntity, done, type Output } from '#shared/entity/entity.ts';
import { type EntityKey, idOf, kindOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { ownerOf } from '#shared/kinds.ts';
import { alert } from '#shared/messages/alert.ts';
import { controlReconcilerRun } from '#shared/messages/control.ts';
import { output, type Received } from '#shared/messages/message.ts';
import { buildSubject, internalSubjects } from '#shared/subjects.ts';

/** Entities a sweep; about 150 KB of alarms. */
const LIMIT = 1000;
/** After a full sweep: time enough for the owners to write, and for the index to show it. */
const AGAIN_MS = 2000;

const sweepSchema = z.object({
  /** The last one, epoch ms. */
  at: z.number(),
  found: z.number(),
  /** Of all sweeps. */
  total: z.number(),
  /** Kinds that were found and that no function owns. */
  unowned: z.array(z.string()),
});

export type Sweep = z.infer<typeof sweepSchema>;

export const sweepKind: Kind<Sweep> = { kind: 'sweep', schema: sweepSchema, version: 1 };

type Event = Received<typeof controlReconcilerRun> | Alarm;

/** What was overdue when the batch began. */
export type Overdue = readonly EntityKey[];

const wake = (key: EntityKey, now: number): Output[] => {
  const kind = kindOf(key);
  const owner = ownerOf[kind];
  if (owner === undefined) return [];
  const subject = buildSubject(internalSubjects.timerDue, { function: owner, key: `${kind}.${idOf(key)}` });
  return [{ subject, body: { due: new Date(now).toISOString() } }];
};

export const decide = (before: Sweep | undefined, event: Event, { now, newId, view }: Context<unknown, Overdue>): Decision<Sweep> => {
  const unowned = [...new Set(view.map((key) => kindOf(key)))].filter((kind) => ownerOf[kind] === undefined).sort();
  const news = unowned.filter((kind) => !before?.unowned.includes(kind));
  const state: Sweep = { at: now, found: view.length, total: (before?.total ?? 0) + view.length, unowned };
  const publish = view.flatMap((key) => wake(key, now));
  if (news.length > 0) publish.push(nobodyOwns(news, newId('alert')));
  const reply = event.message === 'controlReconcilerRun' && { reply: { body: { found: view.length } } };
  return done({ state, publish, wakeAt: view.length >= LIMIT ? now + AGAIN_MS : null, ...reply });
};

const nobodyOwns = (kinds: string[], alert_id: string): Output =>
  output(
    alert,
    { severity: 'medium' },
    {
      alert_id,
      severity: 'medium',
      source: 'reconciler',
      summary: `entities of kind ${kinds.join(', ')} are overdue and no function owns them: deploy their function`,
    },
  );

/** When the sweep was asked for: the bridge's or the server's time, which is close enough for what is a minute late. */
const askedAt = (event: Event): number => (event.message === 'alarm' ? event.due : event.sentAt);

export const sweeps = defineEntity({
  of: sweepKind,
  accepts: [controlReconcilerRun],
  id: () => 'main',
  decide,
  read: async (events, reader): Promise<Overdue> => {
    const overdue = await reader.overdue(Math.max(...events.map(askedAt)), LIMIT);
    // What an earlier sweep still owes is found again by this one.
    return overdue.filter((key) => kindOf(key) !== sweepKind.kind);
  },
});
