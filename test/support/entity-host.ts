/**
 * The entities of a function in memory, for simulations of thousands of histories: what the engine does around `decide`, one
 * message at a time, without table, bridge or clock.
 */
import type { Alarm, AnySpec, Decision, Output } from '#shared/entity/entity.ts';
import { type EntityKey, idOf, keyOf, kindOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';

type Stored = { state: unknown; wakeAt: number | null; checkAt?: number | undefined };
type Done = Extract<Decision<unknown>, { outcome: 'done' }>;

export type Decided = { key: EntityKey; publish: Output[]; reply: Done['reply']; writes: boolean };

// biome-ignore lint/suspicious/noExplicitAny: events of several functions
type AnyEvent = any;

export const entityHost = (specs: readonly AnySpec[], settings: unknown, view: (event: AnyEvent) => unknown = () => undefined) => {
  const entities = new Map<EntityKey, Stored>();
  let records = 0;

  const decide = (spec: AnySpec, key: EntityKey, event: AnyEvent, now: number): Decided => {
    const before = entities.get(key) ?? { state: undefined, wakeAt: null };
    const seen = view(event);
    const named = new Set(spec.also?.(before.state, event, seen) ?? []);
    const mayTouch = (other: EntityKey): EntityKey => {
      if (!named.has(other)) throw new Error(`decide asked for ${other}, which 'also' did not name`);
      return other;
    };
    const decision = spec.decide(before.state, event, {
      now,
      id: idOf(key),
      recordId: `S@0:${++records}:${now}`,
      newId: (salt = '') => `id-${records}-${salt}`,
      wakeAt: before.wakeAt,
      settings,
      also: <S>({ kind }: Kind<S>, id: string) => entities.get(mayTouch(keyOf(kind, id)))?.state as S | undefined,
      view: seen,
      children: new Map(),
    });
    if (decision.outcome !== 'done') throw new Error(`${key}: ${decision.outcome} ${decision.reason.message}`);
    for (const [other, state] of Object.entries(decision.also ?? {}) as [EntityKey, unknown][])
      entities.set(mayTouch(other), { ...(entities.get(other) ?? { wakeAt: null }), state });
    const wakeAt = decision.wakeAt === undefined ? before.wakeAt : decision.wakeAt;
    entities.set(key, { state: decision.state ?? before.state, wakeAt, checkAt: decision.checkAt });
    const { publish = [], reply } = decision;
    const writes = publish.length > 0 || wakeAt !== before.wakeAt || (decision.state !== undefined && decision.state !== before.state);
    return { key, publish, reply, writes };
  };

  return {
    entities,
    stateOf: <S>(kind: string, id: string) => entities.get(keyOf(kind, id))?.state as S | undefined,
    tell: (event: AnyEvent, now: number): Decided => {
      const spec = specs.find(({ accepts }) => accepts.some(({ name }) => name === event.message));
      if (!spec) throw new Error(`nobody takes ${event.message}`);
      return decide(spec, keyOf(spec.of.kind, spec.id(event)), event, now);
    },
    ring: (key: EntityKey, now: number): Decided => {
      const spec = specs.find(({ of }) => of.kind === kindOf(key)) as AnySpec;
      return decide(spec, key, { message: 'alarm', due: now, key } satisfies Alarm, now);
    },
    /** When an entity wants to be woken, epoch ms; Infinity: never. */
    dueAt: (key: EntityKey): number => {
      const { wakeAt = null, checkAt = Infinity } = entities.get(key) ?? {};
      return wakeAt === null ? Infinity : Math.min(wakeAt, checkAt);
    },
  };
};

export type EntityHost = ReturnType<typeof entityHost>;
