/**
 * Lanes: a key's messages run one batch at a time. A message goes to lane `hash(key) % count`; a lane has one batch in
 * flight, and what arrives meanwhile is its next one. So a key never runs twice at once, and batches grow by themselves
 * under load. The lanes belong to a function: all its bindings share them, its alarms too.
 */

import type { Clock } from '#shared/clock.ts';
import { fnv1a } from '#shared/fnv1a.ts';

/** How the messages of one binding become batches. */
export type Batching = {
  size: number;
  /** ms that a batch waits to be filled, counted from its first message. */
  window: number;
  /** Payload and header bytes that close a batch. */
  bytes: number;
};

/** A queued message. `alone`: its batch has no other. */
export type Queueable = { key: string; bytes: number; queuedAt: number; alone: boolean };

export type Queue = { name: string; batching: Batching };

type Waiting<T> = { items: T[]; bytes: number };

type Lane<T> = { busy: boolean; waiting: Map<string, Waiting<T>>; cancelTimer: (() => void) | undefined };

export type Lanes<Q extends Queue, T extends Queueable> = {
  offer(queue: Q, item: T): void;
  /** Takes back what waits in a queue, of one key or of all, oldest first. */
  withdraw(queue: Q, key?: string): T[];
  /** Resolves when no batch of the queue is in flight. */
  idle(queue: Q): Promise<void>;
  /** Waits for the batches in flight; answers what was queued and will not run. */
  close(): Promise<T[]>;
  /** Messages queued. */
  depth(): number;
  /** Lanes with a batch in flight. */
  busy(): number;
};

/** `run` settles a batch completely before it resolves, and never rejects. */
export const createLanes = <Q extends Queue, T extends Queueable>(options: {
  count: number;
  clock: Clock;
  run: (queue: Q, batch: T[]) => Promise<void>;
}): Lanes<Q, T> => {
  const { clock, run } = options;
  const lanes: Lane<T>[] = Array.from({ length: options.count }, () => ({ busy: false, waiting: new Map(), cancelTimer: undefined }));
  const queues = new Map<string, Q>();
  const running = new Map<Promise<void>, Q>();
  let depth = 0;
  let closed = false;

  const laneOf = (key: string): Lane<T> => lanes[fnv1a(key) % lanes.length] as Lane<T>;

  const take = (queue: Q, waiting: Waiting<T>): T[] => {
    let count = 0;
    let bytes = 0;
    for (const item of waiting.items) {
      const full = count >= queue.batching.size || (count > 0 && bytes + item.bytes > queue.batching.bytes);
      if (full || (item.alone && count > 0)) break;
      count++;
      bytes += item.bytes;
      if (item.alone) break;
    }
    waiting.bytes -= bytes;
    return waiting.items.splice(0, count);
  };

  /** ms until the queue's next batch is due; 0: now. */
  const dueIn = (queue: Q, waiting: Waiting<T>): number => {
    const { size, window, bytes } = queue.batching;
    const first = waiting.items[0];
    if (!first) return Infinity;
    if (window === 0 || waiting.items.length >= size || waiting.bytes >= bytes || first.alone) return 0;
    return Math.max(0, first.queuedAt + window - clock.now());
  };

  const takeBack = (lane: Lane<T>, queue: Q, key: string | undefined): T[] => {
    const waiting = lane.waiting.get(queue.name);
    if (!waiting) return [];
    const taken = key === undefined ? waiting.items : waiting.items.filter((item) => item.key === key);
    if (taken.length === 0) return [];
    waiting.items = key === undefined ? [] : waiting.items.filter((item) => item.key !== key);
    waiting.bytes -= taken.reduce((sum, { bytes }) => sum + bytes, 0);
    depth -= taken.length;
    return taken;
  };

  const pump = (lane: Lane<T>): void => {
    lane.cancelTimer?.();
    lane.cancelTimer = undefined;
    if (lane.busy || closed) return;
    let chosen: { queue: Q; waiting: Waiting<T>; dueIn: number; since: number } | undefined;
    for (const [name, waiting] of lane.waiting) {
      const queue = queues.get(name) as Q;
      const candidate = { queue, waiting, dueIn: dueIn(queue, waiting), since: waiting.items[0]?.queuedAt ?? Infinity };
      if (!chosen || candidate.dueIn < chosen.dueIn || (candidate.dueIn === chosen.dueIn && candidate.since < chosen.since))
        chosen = candidate;
    }
    if (!chosen || chosen.dueIn === Infinity) return;
    if (chosen.dueIn > 0) {
      lane.cancelTimer = clock.after(chosen.dueIn, () => pump(lane));
      return;
    }
    const batch = take(chosen.queue, chosen.waiting);
    depth -= batch.length;
    lane.busy = true;
    const done = run(chosen.queue, batch).finally(() => {
      running.delete(done);
      lane.busy = false;
      pump(lane);
    });
    running.set(done, chosen.queue);
  };

  return {
    offer: (queue, item) => {
      const lane = laneOf(item.key);
      queues.set(queue.name, queue);
      let waiting = lane.waiting.get(queue.name);
      if (!waiting) {
        waiting = { items: [], bytes: 0 };
        lane.waiting.set(queue.name, waiting);
      }
      waiting.items.push(item);
      waiting.bytes += item.bytes;
      depth++;
      if (!lane.busy && (waiting.items.length === 1 || dueIn(queue, waiting) === 0)) pump(lane);
    },
    withdraw: (queue, key) => (key === undefined ? lanes : [laneOf(key)]).flatMap((lane) => takeBack(lane, queue, key)),
    idle: async (queue) => {
      await Promise.all([...running].flatMap(([batch, of]) => (of === queue ? batch : [])));
    },
    close: async () => {
      closed = true;
      const left = lanes.flatMap((lane) => {
        lane.cancelTimer?.();
        return [...lane.waiting.values()].flatMap((waiting) => waiting.items.splice(0));
      });
      depth = 0;
      await Promise.all(running.keys());
      return left;
    },
    depth: () => depth,
    busy: () => running.size,
  };
};
