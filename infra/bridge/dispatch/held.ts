/** Messages in the bridge's hands, from delivery until they are settled: what one binding of a dispatcher holds. */
import type { Clock } from '#shared/clock.ts';
import type { BatchRecord, Floor } from '#shared/contract.ts';
import type { Binding } from '../manifest/manifest.ts';
import type { BindingMetrics } from '../observe/metrics.ts';
import type { Delivery, Source } from '../ports/ports.ts';
import type { Queue, Queueable } from './lanes.ts';
import { measureRhythms, type Rhythms } from './rhythm.ts';

/** The newest message of a binding may be so many sequences ahead of its oldest unsettled one (rule 8). */
export const MAX_SPAN = 10_000;
/** Lambda takes 6 MB; the records' JSON around the payloads needs room. */
const MAX_BATCH_BYTES = 5_000_000;
/** What records that nobody counted exactly may be of a batch. */
const JSON_BYTES = 1_000_000;
export const NO_FLOOR: Floor = { sequence: 0, asOf: new Date(0).toISOString() };

/** A message that was delivered and is not settled yet; it stays while the server waits to deliver it again. */
export type Tracked = {
  sequence: number;
  failures: number;
  /** An attempt ended without an answer: it may have acted. */
  unknown: boolean;
  firstAt: number;
  held: Held | undefined;
};

/** `consumer`: the identity that it was delivered under; a stream made anew has another. */
export type Held = Queueable & { delivery: Delivery; consumer: string; tracked: Tracked | undefined; released: boolean };

export type Parked = { items: Held[]; until: number; cancel: () => void };

export type Attached = Queue & {
  binding: Binding;
  source: Source;
  metrics: BindingMetrics;
  floor: { consumer: string; value: Floor; readAt: number; reading: Promise<void> | undefined };
  /** By record id, oldest first. */
  unsettled: Map<string, Tracked>;
  /** The youngest message seen. */
  newest: { sequence: number; timestamp: string };
  heldCount: number;
  heldBytes: number;
  /** `fold: latest`: what waits, by key. */
  folding: Map<string, Held>;
  /** `fold: latest`: how the messages of a key come. */
  rhythms: Rhythms;
  /** Ordered bindings: a message that is tried again at `until` (epoch ms), and the later ones of its key behind it. */
  parked: Map<string, Parked>;
  wake: (() => void) | undefined;
  /** It takes nothing more: what is tried again is for whoever comes next. */
  closing: boolean;
  cancelKeepAlive: (() => void) | undefined;
  unwatch: (() => void) | undefined;
};

export const newAttached = (binding: Binding, source: Source, metrics: BindingMetrics): Attached => ({
  name: binding.name,
  batching: { size: binding.batchSize, window: binding.batchWindow, bytes: MAX_BATCH_BYTES },
  binding,
  source,
  metrics,
  floor: { consumer: source.consumer, value: NO_FLOOR, readAt: -Infinity, reading: undefined },
  unsettled: new Map(),
  newest: { sequence: 0, timestamp: '' },
  heldCount: 0,
  heldBytes: 0,
  folding: new Map(),
  rhythms: measureRhythms(),
  parked: new Map(),
  wake: undefined,
  closing: false,
  cancelKeepAlive: undefined,
  unwatch: undefined,
});

/** Whether what is not acknowledged is delivered again. */
export const isDurable = (of: Attached): boolean => of.source.eventSource === 'nats:jetstream';

/** How many messages more it may hold, by count and by span (rule 8). */
export const roomOf = (of: Attached): number => {
  const oldest = of.unsettled.values().next().value?.sequence;
  const span = oldest === undefined ? MAX_SPAN : MAX_SPAN - (of.newest.sequence - oldest);
  return Math.max(0, Math.min(span, MAX_SPAN - of.heldCount));
};

/**
 * Whether many such messages could make a batch too large by what JSON adds: up to five bytes to each, and what stands around a
 * payload. Only then are they counted as they are sent, which takes as long as sending.
 */
export const mayOverfill = (of: Queue, { bytes }: Pick<Delivery, 'bytes'>): boolean => 6 * (bytes + 100) * of.batching.size > JSON_BYTES;

/** Keeps account of a durable message. undefined: it is held already, and what is said of it goes to this delivery now (rule 1). */
export const track = (of: Attached, delivery: Delivery, now: number): Tracked | undefined => {
  const { record } = delivery;
  let tracked = of.unsettled.get(record.id);
  if (tracked?.held) {
    tracked.held.delivery = delivery;
    return undefined;
  }
  if (!tracked) {
    tracked = { sequence: record.sequence, failures: 0, unknown: false, firstAt: now, held: undefined };
    of.unsettled.set(record.id, tracked);
  }
  if (record.sequence <= of.newest.sequence && record.timestamp > of.newest.timestamp) forgetTail(of, record);
  else if (record.sequence > of.newest.sequence) of.newest = record;
  return tracked;
};

/**
 * The stream lost its tail and uses sequences again: what is said of an old message would settle a new one, so nothing is.
 * Those that the stream still has come again.
 */
const forgetTail = (of: Attached, record: BatchRecord): void => {
  of.newest = record;
  for (const { held } of of.unsettled.values()) if (held) held.delivery = { ...held.delivery, ack() {}, nak() {}, working() {} };
};

/** `fold: latest`: the newest record stands for all that came in the window. It counts as large as the first. */
export const foldInto = (held: Held, delivery: Delivery): void => {
  const before = held.delivery.record;
  const { count, first } = before.folded ?? { count: 1, first: before.timestamp };
  delivery.record.folded = { count: count + 1, first, last: delivery.record.timestamp };
  held.delivery.ack();
  held.delivery = delivery;
};

/** The bridge holds it no longer. `settled`: nobody will see it again. */
const release = (from: Attached, held: Held, settled: boolean): void => {
  held.released = true;
  from.heldCount--;
  from.heldBytes -= held.bytes;
  if (held.tracked) held.tracked.held = undefined;
  if (settled) from.unsettled.delete(held.delivery.record.id);
  from.wake?.();
};

export const ack = (from: Attached, held: Held, now: number): void => {
  held.delivery.ack();
  from.metrics.latencySeconds.observe((now - Date.parse(held.delivery.record.timestamp)) / 1000);
  release(from, held, true);
};

export const nak = (from: Attached, held: Held, delayMs: number): void => {
  held.delivery.nak(delayMs);
  release(from, held, !isDurable(from));
};

/** To whoever has the binding next. */
export const giveBack = (of: Attached, batch: readonly Held[]): void => {
  for (const held of batch) {
    held.delivery.respond?.({ error: { code: 'draining', message: 'this bridge is shutting down: ask again' } });
    nak(of, held, 0);
  }
};

/** Reads the consumer's floor anew; keeps the old one where that fails. */
export const refreshFloor = (of: Attached, clock: Clock): Promise<void> => {
  const { consumer } = of.source;
  of.floor.reading ??= of.source
    .readFloor()
    .then((value) => {
      of.floor = { consumer, value, readAt: clock.now(), reading: undefined };
      for (const [id, tracked] of of.unsettled) {
        if (tracked.sequence > value.sequence) break;
        if (!tracked.held) of.unsettled.delete(id);
      }
    })
    .catch(() => {
      of.floor.reading = undefined;
    });
  return of.floor.reading;
};

/** The ack wait must outlast the invocation and its writes (rule 2). */
export const extend = (of: Attached, batch: readonly Held[], until: number, clock: Clock): void => {
  const { ackWait } = of.source;
  if (!ackWait) return;
  for (const { delivery } of batch) {
    if (delivery.receivedAt + ackWait >= until) continue;
    delivery.working();
    delivery.receivedAt = clock.now();
  }
};

/** What waits in a lane stays ours, by one timer a binding. */
export const keepAlive = (of: Attached, clock: Clock): void => {
  const { ackWait } = of.source;
  if (!ackWait) return;
  of.cancelKeepAlive = clock.after(ackWait / 4, () => {
    const held = [...of.unsettled.values()].flatMap((tracked) => tracked.held ?? []);
    extend(of, held, clock.now() + ackWait / 2, clock);
    keepAlive(of, clock);
  });
};
