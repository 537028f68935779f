/**
 * Time that moves only when it is told to: an event queue behind the `Clock` of the product. Between two events every
 * promise that can go on has gone on, so a run depends on nothing but its events.
 */
import type { Clock } from '#shared/clock.ts';

type Event = { at: number; order: number; run: (() => void) | undefined };

export type VirtualTime = {
  /** Epoch ms. */
  now(): number;
  /** Runs `fn` at `at`, or now if that has passed; the answer takes it back. */
  at(at: number, fn: () => void): () => void;
  /** A clock that is `skew` ms ahead, and silent once `alive` says no: a crashed process is woken by nothing. */
  clock(options?: { skew?: number; alive?: () => boolean }): Clock;
  /** Lets `ms` pass. */
  advance(ms: number): Promise<void>;
  /** Runs events until `until` holds or `ms` have passed; answers whether it holds. */
  runUntil(until: () => boolean, ms: number): Promise<boolean>;
};

/** Microtasks run to their end before the loop comes back to this. */
const promisesAtRest = () => new Promise<void>((resolve) => setImmediate(resolve));

export const virtualTime = (start = Date.UTC(2026, 0, 1)): VirtualTime => {
  const heap: Event[] = [];
  let now = start;
  let order = 0;

  const before = (a: Event, b: Event) => a.at < b.at || (a.at === b.at && a.order < b.order);

  const push = (event: Event) => {
    let child = heap.push(event) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!before(event, heap[parent] as Event)) break;
      heap[child] = heap[parent] as Event;
      child = parent;
    }
    heap[child] = event;
  };

  const pop = (): Event | undefined => {
    const first = heap[0];
    const last = heap.pop();
    if (!last || heap.length === 0) return first;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!before(heap[child] as Event, last)) break;
      heap[hole] = heap[child] as Event;
      hole = child;
    }
    heap[hole] = last;
    return first;
  };

  const at = (time: number, fn: () => void) => {
    const event: Event = { at: Math.max(time, now), order: order++, run: fn };
    push(event);
    return () => {
      event.run = undefined;
    };
  };

  const runUntil = async (until: () => boolean, ms: number): Promise<boolean> => {
    const end = now + ms;
    await promisesAtRest();
    while (!until()) {
      while (heap[0] && !heap[0].run) pop();
      const next = heap[0];
      if (!next || next.at > end) {
        now = end;
        return until();
      }
      pop();
      now = next.at;
      next.run?.();
      await promisesAtRest();
    }
    return true;
  };

  return {
    now: () => now,
    at,
    clock: ({ skew = 0, alive = () => true } = {}) => ({
      now: () => now + skew,
      after: (ms, fn) => at(now + Math.max(0, ms), () => alive() && fn()),
    }),
    advance: async (ms) => void (await runUntil(() => false, ms)),
    runUntil,
  };
};
