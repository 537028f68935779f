/** The entities of the election function, decided without table, bridge or clock: what its engine does, for whoever brings the time. */
import { elections } from '#functions/election/decide.ts';
import type { Election } from '#functions/election/election.ts';
import { leaderships } from '#functions/election/leaving.ts';
import type { Settings } from '#functions/election/settings.ts';
import type { AnySpec, Context, Decision, Output } from '#shared/entity/entity.ts';
import { type EntityKey, idOf, keyOf } from '#shared/entity/key.ts';
import type { AnyMessage, Received } from '#shared/messages/message.ts';

type Stored = { state: unknown; wakeAt: number | null };
type Done = Extract<Decision<unknown>, { outcome: 'done' }>;
/** A `decide` that is wrong: it wraps the right one. */
// biome-ignore lint/suspicious/noExplicitAny: of whichever of the specs
export type Mutant = (decide: AnySpec['decide'], state: any, event: any, context: Context) => Decision<any>;

export const electionTable = (settings: Settings, mutant?: Mutant) => {
  const specs: readonly AnySpec[] = [elections, leaderships];
  const entities = new Map<EntityKey, Stored>();
  const counted = { writes: 0 };

  /** `lands`: whether the write does; a decision whose write fails is decided again, later. */
  const decide = (spec: AnySpec, key: EntityKey, event: Received<AnyMessage>, now: number, lands = true): Done => {
    const { state, wakeAt } = entities.get(key) ?? { state: undefined, wakeAt: null };
    const named = spec.also?.(state, event, undefined) ?? [];
    const also = (kind: { kind: string }, id: string) => {
      const other = keyOf(kind.kind, id);
      // A mutant may believe in another state than `also` saw.
      if (!mutant && !named.includes(other)) throw new Error(`decide asked for ${other}, which 'also' did not name`);
      return entities.get(other)?.state;
    };
    const context = { now, id: idOf(key), settings, wakeAt, also, view: undefined, recordId: 'r', newId: () => 'n' } as unknown as Context;
    const decision = (mutant ? mutant(spec.decide, state, event, context) : spec.decide(state, event, context)) as Done;
    if (lands && (decision.state !== undefined || decision.wakeAt !== undefined || decision.publish?.length)) take(key, decision, named);
    return decision;
  };

  const take = (key: EntityKey, { state, wakeAt, also = {} }: Done, named: readonly EntityKey[]): void => {
    const before = entities.get(key) ?? { state: undefined, wakeAt: null };
    counted.writes++;
    entities.set(key, { state: state ?? before.state, wakeAt: wakeAt === undefined ? before.wakeAt : wakeAt });
    for (const [other, otherState] of Object.entries(also) as [EntityKey, unknown][]) {
      if (!mutant && !named.includes(other)) throw new Error(`decide changed ${other}, which 'also' did not name`);
      entities.set(other, { wakeAt: null, ...entities.get(other), state: otherState });
    }
  };

  return {
    tell: (event: Received<AnyMessage>, now: number, lands?: boolean): Done => {
      const spec = specs.find(({ accepts }) => accepts.some(({ name }) => name === event.message)) as AnySpec;
      return decide(spec, keyOf(spec.of.kind, spec.id(event)), event, now, lands);
    },
    /** As the engine does, an alarm is never before it is due. */
    ring: (domain: string, due: number, now: number, lands?: boolean): Done => {
      const key = keyOf('election', domain);
      const alarm = { message: 'alarm', due, key } as unknown as Received<AnyMessage>;
      return decide(elections as AnySpec, key, alarm, Math.max(now, due), lands);
    },
    election: (domain: string) => entities.get(keyOf('election', domain))?.state as Election | undefined,
    wakeAt: (domain: string): number | null => entities.get(keyOf('election', domain))?.wakeAt ?? null,
    writes: () => counted.writes,
    /** What there is now, to be put back later. */
    backup: () => {
      const saved = new Map(entities);
      return () => {
        entities.clear();
        for (const [key, stored] of saved) entities.set(key, stored);
      };
    },
  };
};

/** In the order in which they are said. */
export const bodiesOn = (outputs: readonly Output[], end: string) =>
  outputs.filter(({ subject }) => subject.endsWith(end)).map(({ body }) => body as Record<string, unknown>);
