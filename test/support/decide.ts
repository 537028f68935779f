/**
 * Drives the pure core of a function through a story: messages, time that passes, alarms that go off. What the engine does
 * around `decide`, without table, bridge or clock. Every state, child and event goes through JSON and is frozen first, so a
 * `decide` that mutates its input, or keeps what JSON does not, fails here.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Headers, Rhythm } from '#shared/contract.ts';
import type { Alarm, Decision, EntitySpec, Output } from '#shared/entity/entity.ts';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';
import type { AnyMessage, Received } from '#shared/messages/message.ts';
import { buildSubject } from '#shared/subjects.ts';

/** Where a story begins: 2026-01-01T00:00:00Z, epoch ms. */
export const START = Date.UTC(2026, 0, 1);

type Extra = { sentAt?: number; headers?: Headers; reply?: string; rhythm?: Rhythm };

/** A message as `decide` sees it. `body` is checked by the message's schema. */
export const received = <M extends AnyMessage>(
  message: M,
  params: Received<M>['params'],
  body: unknown,
  { sentAt = START, headers = {}, reply, rhythm }: Extra = {},
) =>
  ({
    message: message.name,
    subject: buildSubject(message.subject as string, params),
    params,
    body: message.body.parse(throughTable(body)),
    headers,
    sentAt,
    ...(reply && { reply }),
    ...(rhythm && { rhythm }),
  }) as Received<M>;

type Stored = { state: unknown; wakeAt: number | null /** Known to the timer alone. */; checkAt?: number; children: Map<string, unknown> };

export const drive = <State, M extends AnyMessage, Settings, View>(
  spec: EntitySpec<State, M, Settings, View>,
  settings: Settings,
  view: View = undefined as View,
) => {
  const entities = new Map<EntityKey, Stored>();
  const published: Output[] = [];
  let now = START;
  let records = 0;
  let writes = 0;

  const at = (key: EntityKey): Stored => entities.get(key) ?? { state: undefined, wakeAt: null, children: new Map() };

  const decide = (key: EntityKey, event: Received<M> | Alarm, recordId: string): Decision<State> => {
    const { wakeAt, children, checkAt: _, ...stored } = at(key);
    const state = throughTable(stored.state) as State | undefined;
    const also = spec.also?.(state, event, view) ?? [];
    const decision = spec.decide(state, event, {
      now,
      id: key.slice(key.indexOf('#') + 1),
      recordId,
      newId: (salt = '') => createHash('sha256').update(`${recordId}|${salt}`).digest('hex').slice(0, 22),
      wakeAt,
      settings,
      also: <Other>(kind: Kind<Other>, id: string) => alsoOf(also, keyOf(kind.kind, id)) as Other | undefined,
      view,
      children: new Map(spec.needsChildren?.(state, event) ? [...children].map(([name, data]) => [name, throughTable(data)]) : []),
    });
    if (decision.outcome === 'done') take(key, decision, also);
    return decision;
  };

  const alsoOf = (named: readonly EntityKey[], key: EntityKey): unknown => {
    if (!named.includes(key)) throw new Error(`decide asked for ${key}, which 'also' did not name`);
    return throughTable(at(key).state);
  };

  const take = (key: EntityKey, decision: Extract<Decision<State>, { outcome: 'done' }>, named: EntityKey[]): void => {
    const { checkAt: _, ...before } = at(key);
    const children = new Map(before.children);
    for (const child of decision.children ?? []) children.set(child.name, throughTable(child.data));
    for (const name of decision.drop ?? []) children.delete(name);
    const state = decision.state === undefined ? before.state : throughTable(spec.of.schema.parse(throughTable(decision.state)));
    const after: Stored = { state, wakeAt: decision.wakeAt === undefined ? before.wakeAt : decision.wakeAt, children };
    const others = Object.entries(decision.also ?? {}) as [EntityKey, unknown][];
    for (const [other, otherState] of others) {
      if (!named.includes(other)) throw new Error(`decide changed ${other}, which 'also' did not name`);
      entities.set(other, { ...at(other), state: throughTable(otherState) });
    }
    const publish = decision.publish ?? [];
    const check = decision.checkAt === undefined ? {} : { checkAt: decision.checkAt };
    if (!isDeepStrictEqual(before, after) || publish.length > 0 || others.length > 0) {
      writes++;
      entities.set(key, { ...after, ...check });
    } else if (entities.has(key)) entities.set(key, { ...before, ...check });
    published.push(...(throughTable(publish) as Output[]));
  };

  /** The check is forgotten with the next touch, and where there is no alarm. */
  const dueOf = ({ wakeAt, checkAt = Infinity }: Stored): number => (wakeAt === null ? Infinity : Math.min(wakeAt, checkAt));

  const nextAlarm = (until: number): [EntityKey, Stored] | undefined =>
    [...entities].filter(([, stored]) => dueOf(stored) <= until).sort(([, a], [, b]) => dueOf(a) - dueOf(b))[0];

  return {
    /** Decides a message now, or at its `sentAt` when that is later. */
    tell: (event: Received<M>, recordId = `STREAM@0:${++records}:${event.sentAt}`): Decision<State> => {
      now = Math.max(now, event.sentAt);
      return decide(keyOf(spec.of.kind, spec.id(event)), throughTable(event) as Received<M>, recordId);
    },
    /** Lets time pass until `time`, epoch ms; alarms go off when they are due, `late` ms after it, and tell `more`. */
    until: (time: number, late = 0, more: Partial<Alarm> = {}): void => {
      for (let rings = 0, next = nextAlarm(time); next; next = nextAlarm(time)) {
        if (++rings > 1000) throw new Error(`${next[0]} is woken again and again`);
        const due = dueOf(next[1]);
        now = Math.max(now, due + late);
        decide(next[0], { message: 'alarm', due, key: next[0], ...more }, `TIMERS@0:${++records}:${now}`);
      }
      now = Math.max(now, time);
    },
    /** An alarm that nobody set: an early or stray one. */
    ring: (id: string, more: Partial<Alarm> = {}): Decision<State> =>
      decide(
        keyOf(spec.of.kind, id),
        { message: 'alarm', due: now, key: keyOf(spec.of.kind, id), ...more },
        `TIMERS@0:${++records}:${now}`,
      ),
    state: (id: string): State | undefined => at(keyOf(spec.of.kind, id)).state as State | undefined,
    /** The state of any entity of the function. */
    stateOf: (key: EntityKey): unknown => at(key).state,
    wakeAt: (id: string): number | null => at(keyOf(spec.of.kind, id)).wakeAt,
    children: (id: string): ReadonlyMap<string, unknown> => at(keyOf(spec.of.kind, id)).children,
    /** All that was published so far, in order. */
    published,
    /** Bodies of what was published on subjects that begin so. */
    bodies: (prefix: string) =>
      published.filter(({ subject }) => subject.startsWith(prefix)).map(({ body }) => body as Record<string, unknown>),
    /** How often the table was written. */
    writes: () => writes,
    now: () => now,
  };
};

/** The copy that comes back from the table, frozen. */
const throughTable = (value: unknown): unknown => (value === undefined ? undefined : freeze(JSON.parse(JSON.stringify(value))));

const freeze = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) freeze(part);
  return Object.freeze(value);
};
