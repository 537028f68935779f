/** What was published, and what became of it: the facts that the judge needs. */
import type { EntityKey } from '#shared/entity/key.ts';
import type { Item } from '#shared/entity/store.ts';
import { type Bed, later } from './bed.ts';
import type { Core } from './bridges.ts';
import { BELLS, type Bell, type Body, type Counter } from './counter.ts';
import type { MemoryTable } from './memory-store.ts';
import type { PlannedMessage } from './plan.ts';
import type { Stored, Stream } from './stream.ts';

/** A message as a client published it, once. Its digit is what it adds to its counter. */
export type Published = {
  digit: number;
  message: PlannedMessage;
  /** The key that a message about two is about, too. */
  other: string;
  /** Of its record; absent for core. */
  id?: string;
  sequence?: number;
  /** Gone before it was settled with the stream, or with the stream's tail, settled or not; or the consumer now begins behind it. */
  lost?: 'with the stream' | 'with the tail' | 'by a reset';
  /** A reset has skipped it once. */
  skipped?: true;
  settledAt?: number;
  effectAt?: number;
  /** It changed nothing, and its entity was written with it: that is recorded, and holds for ever. */
  recordedNoop?: true;
};

export type Ledger = ReturnType<typeof createLedger>;

/** More digits do not fit into 32 bits. */
const MOST_DIGITS = 15;
/** A floor is at most a second old when an invocation begins, and the invocation takes a moment. */
const FLOOR_KNOWN_MS = 1200;

export const createLedger = (bed: Bed, { events, core, table }: { events: Stream; core: Core; table: MemoryTable }) => {
  const { time } = bed;
  const published = new Map<string, Published[]>();
  const items = new Map<string, Item>();
  const byRecord = new Map<string, Published>();
  /** What an entity still held of records that the floor had passed long before. */
  const overheld: string[] = [];

  events.onSettled(({ id }) => {
    const one = byRecord.get(id);
    if (one) one.settledAt = time.now();
  });

  const publish = (message: PlannedMessage): void => {
    const { name, key, kind, via, x } = message;
    const of = published.get(key) ?? [];
    published.set(key, of);
    if (of.length === MOST_DIGITS) return;
    const one: Published = { digit: 4 ** of.length, message, other: { a: 'b', b: 'c' }[key] ?? 'a' };
    of.push(one);
    const body: Body = { kind, digit: one.digit, other: one.other, x };
    bed.log(() => `${name} is published${via === 'core' ? ' without a stream' : ''}: ${kind} ${key}, digit ${one.digit}`);
    if (via === 'core') core.publish(`beat.${key}`, JSON.stringify(body));
    else {
      const { id, sequence } = events.publish(`in.${key}`, JSON.stringify(body));
      Object.assign(one, { id, sequence });
      byRecord.set(id, one);
    }
  };

  return {
    published,
    items,
    /** By key, as they are. */
    bells: () =>
      BELLS.flatMap((key) => {
        const stored = table.items.get(key);
        return stored === undefined ? [] : [[key, (JSON.parse(stored) as Item).state as Bell] as const];
      }),
    overheld,
    publish,

    /** A client that learns of the loss sends again: a new record, which is judged for itself. */
    lose(lost: readonly Stored[], how: 'with the stream' | 'with the tail'): void {
      for (const { id } of lost) {
        const one = byRecord.get(id);
        if (!one || (one.lost && one.lost !== 'by a reset')) continue;
        one.lost = how;
        later(bed, 300, () => publish(one.message));
      }
    },

    /** The consumer begins at `from` now: what is not settled before it does not come, what is behind it comes again. */
    reset(from: number): void {
      for (const [id, one] of byRecord) {
        if (!events.holds(id) || one.settledAt !== undefined || (one.lost && one.lost !== 'by a reset')) continue;
        if ((one.sequence ?? 0) >= from) delete one.lost;
        else Object.assign(one, { lost: 'by a reset', skipped: true });
      }
    },

    /** Looks at what a write left behind, if it landed: which messages have acted by it, and which were found to change nothing. */
    landed(keys: readonly string[], noops: ReadonlySet<string>): void {
      for (const key of keys) {
        if (!key.startsWith('counter#')) continue;
        const name = key.slice('counter#'.length);
        const item = JSON.parse(table.items.get(key as EntityKey) ?? '{}') as Item;
        // It did not land: a conflict.
        if (item.version === undefined || item.version === items.get(name)?.version) continue;
        const state = item.state as Counter | null;
        items.set(name, item);
        for (const one of published.get(name) ?? []) {
          if (one.effectAt === undefined && (state?.sum ?? 0) & (one.digit * 3)) one.effectAt = time.now();
          if (one.id && noops.has(one.id)) one.recordedNoop = true;
        }
        overheld.push(...overheldBy(item, events.floorAt(time.now() - FLOOR_KNOWN_MS)));
      }
    },
  };
};

const overheldBy = (item: Item, floor: number): string[] => {
  const fromEvents = (consumer: string) => consumer.startsWith('EVENTS');
  const listed = Object.entries(item.applied).flatMap(([consumer, { above }]) =>
    fromEvents(consumer) ? above.map(([sequence]) => sequence) : [],
  );
  const owed = Object.values(item.outbox).flatMap(({ consumer, sequence }) => (fromEvents(consumer) ? [sequence] : []));
  return [
    ...listed.filter((sequence) => sequence <= floor).map((sequence) => `${item.key} still lists ${sequence}, and the floor was ${floor}`),
    ...owed
      .filter((sequence) => sequence <= floor)
      .map((sequence) => `${item.key} still owes outputs of ${sequence}, and the floor was ${floor}`),
  ];
};
