/**
 * The sweep (docs/protocol.md, "The sweep"): what is overdue, an alarm that did not go off or outputs that nobody confirmed,
 * is woken through its owner, which is the only one that writes it and answers again what it still owes. A due alarm is a
 * hint, so one too many costs an invocation and nothing else.
 *
 * And the mirror of the circuits: what CIRCUITS forgot is told again. Every ten minutes the state of each circuit that is not
 * closed, or was closed since, is published as it was, under its own epoch: whoever knows it already can tell by that.
 */
import * as z from 'zod';
import { type Circuit, circuitKind } from '#shared/circuit/circuit.ts';
import { announced } from '#shared/circuit/wire.ts';
import { type Alarm, type Context, type Decision, defineEntity, done, type Output } from '#shared/entity/entity.ts';
import { type EntityKey, idOf, kindOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { readPage } from '#shared/entity/page.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { ownerOf } from '#shared/kinds.ts';
import { raise } from '#shared/messages/alert.ts';
import { controlReconcilerRun } from '#shared/messages/control.ts';
import type { Received } from '#shared/messages/message.ts';
import { buildSubject, internalSubjects } from '#shared/subjects.ts';

/** Entities a sweep; about 150 KB of alarms. */
const LIMIT = 1000;
/** After a full sweep: time enough for the owners to write, and for the index to show it. */
const AGAIN_MS = 2000;
const RESTATE_MS = 600_000;
const PAGE = 100;

const sweepSchema = z.object({
  /** The last one, epoch ms. */
  at: z.number(),
  found: z.number(),
  /** Of all sweeps. */
  total: z.number(),
  /** Kinds that were found and that no function owns. */
  unowned: z.array(z.string()),
  /** When the circuits were told again, epoch ms. */
  restatedAt: z.number(),
});

export type Sweep = z.infer<typeof sweepSchema>;

export const sweepKind: Kind<Sweep> = { kind: 'sweep', schema: sweepSchema, version: 1 };

type Event = Received<typeof controlReconcilerRun> | Alarm;

/** What was overdue, and the circuits by service, when the batch began. */
export type Found = { overdue: readonly EntityKey[]; circuits: ReadonlyMap<string, Circuit> };

const wake = (key: EntityKey, now: number): Output[] => {
  const kind = kindOf(key);
  const owner = ownerOf[kind];
  if (owner === undefined) return [];
  const subject = buildSubject(internalSubjects.timerDue, { function: owner, key: `${kind}.${idOf(key)}.${now}` });
  return [{ subject, body: { due: new Date(now).toISOString(), swept: true } }];
};

const restate = (circuits: Found['circuits'], since: number): Output[] =>
  [...circuits]
    .filter(([, { state, epoch, since: changedAt }]) => epoch > 0 && (state !== 'closed' || changedAt > since))
    .map(([service, circuit]) => announced(service, circuit));

export const decide = (before: Sweep | undefined, event: Event, { now, newId, view }: Context<unknown, Found>): Decision<Sweep> => {
  const { overdue, circuits } = view;
  const unowned = [...new Set(overdue.map(kindOf))].filter((kind) => ownerOf[kind] === undefined).sort();
  const news = unowned.filter((kind) => !before?.unowned.includes(kind));
  const last = before?.restatedAt ?? now;
  const isTime = now - last >= RESTATE_MS;
  const total = (before?.total ?? 0) + overdue.length;
  const state: Sweep = { at: now, found: overdue.length, total, unowned, restatedAt: isTime ? now : last };
  const publish = [...overdue.flatMap((key) => wake(key, now)), ...(isTime ? restate(circuits, last) : [])];
  if (news.length > 0) publish.push(nobodyOwns(news, newId('alert')));
  const reply = event.message === 'controlReconcilerRun' && { reply: { body: { found: overdue.length } } };
  return done({ state, publish, wakeAt: overdue.length >= LIMIT ? now + AGAIN_MS : null, ...reply });
};

const nobodyOwns = (kinds: string[], alert_id: string): Output =>
  raise({
    alert_id,
    severity: 'medium',
    source: 'reconciler',
    summary: `entities of kind ${kinds.join(', ')} are overdue and no function owns them: deploy their function`,
  });

/** When the sweep was asked for: the bridge's or the server's time, which is close enough for what is a minute late. */
const askedAt = (event: Event): number => (event.message === 'alarm' ? event.due : event.sentAt);

const readCircuits = async (reader: Reader): Promise<Map<string, Circuit>> => {
  const circuits = new Map<string, Circuit>();
  for (let after: string | undefined; ; ) {
    const { states, next } = await readPage(reader, circuitKind, circuitKind.kind, { after, limit: PAGE });
    for (const [service, circuit] of states) circuits.set(service, circuit);
    if (next === undefined) return circuits;
    after = next;
  }
};

export const sweeps = defineEntity({
  of: sweepKind,
  accepts: [controlReconcilerRun],
  id: () => 'main',
  decide,
  read: async (events, reader): Promise<Found> => {
    const [overdue, circuits] = await Promise.all([reader.overdue(Math.max(...events.map(askedAt)), LIMIT), readCircuits(reader)]);
    // What an earlier sweep still owes is found again by this one.
    return { overdue: overdue.filter((key) => kindOf(key) !== sweepKind.kind), circuits };
  },
});
