/**
 * A function's messages, from delivery to ack: the part "The bridge" of docs/protocol.md (rule numbers in the files of this
 * folder are its numbers). It knows no NATS and no Lambda: sources, invoker and publisher are ports.
 *
 * A delivery becomes a held message (`held.ts`) in a lane (`lanes.ts`); a lane's batch is invoked (`invocation.ts`), its
 * answer goes out (`outbound.ts`), and each record is settled by what became of it (`outcome.ts`).
 */
import { type BatchRecord, PUBLISHED_BY } from '#shared/contract.ts';
import { readEnvelope } from '#shared/messages/read.ts';
import { compileFilter } from '../filter/record-filter.ts';
import type { Binding } from '../manifest/manifest.ts';
import { inTurns } from '../ports/in-turns.ts';
import type { Delivery, Source } from '../ports/ports.ts';
import { createConcurrency } from './concurrency.ts';
import type { Dispatch, DispatcherOptions } from './dispatch.ts';
import {
  type Attached,
  foldInto,
  giveBack,
  type Held,
  isDurable,
  keepAlive,
  mayOverfill,
  nak,
  newAttached,
  refreshFloor,
  roomOf,
  type Tracked,
  track,
} from './held.ts';
import { createLanes } from './lanes.ts';
import { runBatch } from './outcome.ts';

/** Payload and header bytes that a function may have in the bridge. */
const MAX_HELD_BYTES = 256 * 1024 * 1024;

export type Dispatcher = {
  attach(binding: Binding, source: Source): void;
  /** Takes nothing more of a binding, finishes what is in flight of it, gives the rest back. */
  detach(binding: string): Promise<void>;
  /** The same for all bindings. */
  drain(): Promise<void>;
  /** A sentence while outputs cannot be published. */
  blocked(): string | undefined;
  /** Invocations that may be in flight now: fewer than the lanes after a throttle. */
  concurrency(): number;
};

const keyOf = ({ groupBy }: Binding, record: BatchRecord): string => {
  if (!groupBy) return record.id;
  if ('tokens' in groupBy) {
    const tokens = record.subject.split('.');
    return groupBy.tokens.map((token) => tokens[token - 1] ?? record.id).join('-');
  }
  const body = readEnvelope(record).body as Record<string, unknown> | null | undefined;
  const value = body?.[groupBy.field];
  return typeof value === 'string' ? value : record.id;
};

export const createDispatcher = (options: DispatcherOptions): Dispatcher => {
  const d: Dispatch = {
    ...options,
    metrics: options.metrics.function(options.fn.name),
    attached: [],
    blocked: new Map(),
    oneAtATime: inTurns(),
    concurrency: createConcurrency(options.fn.concurrency),
    tryAgain: (of, held, delayMs) => {
      if (!of.binding.ordered) nak(of, held, delayMs);
      else if (of.closing) nak(of, held, 0);
      else park(of, held, delayMs);
    },
  };
  const { fn, clock, log } = d;

  const deliver = (to: Attached, delivery: Delivery): void => {
    const { record } = delivery;
    if (!fn.own && record.headers[PUBLISHED_BY]?.[0] === fn.name) {
      to.metrics.filteredOut.inc();
      delivery.ack();
      return;
    }
    let tracked: Tracked | undefined;
    if (isDurable(to)) {
      tracked = track(to, delivery, clock.now());
      if (!tracked) {
        to.metrics.redelivered.inc();
        return;
      }
    }
    const key = keyOf(to.binding, record);
    const folds = to.binding.source.kind === 'core' && to.binding.source.fold && to.binding.groupBy;
    const rhythm = folds ? to.rhythms.arrived(key, delivery.receivedAt) : undefined;
    if (rhythm) record.rhythm = rhythm;
    const folded = to.folding.get(key);
    if (folded) {
      foldInto(folded, delivery);
      return;
    }
    const bytes = (mayOverfill(to, delivery) ? d.invoker.bytesOf?.(record) : undefined) ?? delivery.bytes;
    // A delivery count above the attempts without a failure seen: it may be what kills whatever touches it.
    const alone = tracked?.failures === 0 && record.deliveries > to.binding.retry.attempts;
    const held: Held = { delivery, consumer: to.source.consumer, tracked, key, bytes, queuedAt: clock.now(), alone, released: false };
    if (tracked) tracked.held = held;
    if (folds) to.folding.set(key, held);
    to.heldCount++;
    to.heldBytes += held.bytes;
    const parked = to.parked.get(key);
    if (parked) parked.items.push(held);
    else lanes.offer(to, held);
  };

  /** Rule 9. What waits in the lane stands behind it. */
  const park = (of: Attached, held: Held, delayMs: number): void => {
    const { key } = held;
    const before = of.parked.get(key);
    before?.cancel();
    const items = before?.items ?? lanes.withdraw(of, key);
    const until = Math.max(before?.until ?? 0, clock.now() + delayMs);
    const cancel = clock.after(until - clock.now(), () => {
      of.parked.delete(key);
      for (const item of items.sort((a, b) => a.delivery.record.sequence - b.delivery.record.sequence)) lanes.offer(of, item);
    });
    items.push(held);
    of.parked.set(key, { items, until, cancel });
  };

  /** What will not run of a binding. */
  const takeBack = (of: Attached): Held[] => {
    const parked = [...of.parked.values()].flatMap(({ items, cancel }) => {
      cancel();
      return items;
    });
    of.parked.clear();
    return [...lanes.withdraw(of), ...parked];
  };

  const detach = async (of: Attached): Promise<void> => {
    of.closing = true;
    of.wake?.();
    await of.source.stop();
    const left = takeBack(of);
    await lanes.idle(of);
    of.cancelKeepAlive?.();
    of.unwatch?.();
    giveBack(of, [...left, ...takeBack(of)]);
    d.attached.splice(d.attached.indexOf(of), 1);
    for (const other of d.attached) other.wake?.();
  };

  const run = async (of: Attached, batch: Held[]): Promise<void> => {
    for (const held of batch) if (of.folding.get(held.key) === held) of.folding.delete(held.key);
    try {
      for (const same of Map.groupBy(batch, ({ consumer }) => consumer).values()) await runBatch(d, of, same);
    } catch (error) {
      // A fault of the bridge itself: nothing was said of these messages, so they come again.
      log(`${of.name}: ${String(error)}`);
      for (const held of batch.filter((one) => !one.released && !of.parked.get(one.key)?.items.includes(one))) {
        held.delivery.respond?.({ error: { code: 'bridge_fault', message: 'the bridge could not handle this request: ask again' } });
        d.tryAgain(of, held, 1000);
      }
    }
    // The bytes are the function's: another binding may have waited for these.
    for (const other of d.attached) other.wake?.();
    // Known before the next batch needs it, without making it wait.
    if (isDurable(of)) void refreshFloor(of, clock);
  };

  const lanes = createLanes<Attached, Held>({ count: fn.concurrency, clock, run });

  const watched = [
    d.metrics.laneDepth.watch(lanes.depth),
    d.metrics.lanesBusy.watch(lanes.busy),
    d.metrics.concurrencyLimit.watch(d.concurrency.limit),
  ];

  const room = (of: Attached): number => {
    const bytes = d.attached.reduce((sum, other) => sum + other.heldBytes, 0);
    return bytes >= MAX_HELD_BYTES ? 0 : roomOf(of);
  };

  return {
    attach: (binding, source) => {
      const to = newAttached(binding, source, options.metrics.binding(binding.name));
      d.attached.push(to);
      keepAlive(to, clock);
      to.unwatch = to.metrics.held.watch(() => to.heldCount);
      const matches = binding.filter ? compileFilter(binding.filter) : () => true;
      source.start({
        deliver: (delivery) => {
          to.metrics.polled.inc();
          if (matches(delivery.record)) return deliver(to, delivery);
          delivery.ack();
          to.metrics.filteredOut.inc();
        },
        room: () => room(to),
        roomed: () =>
          new Promise((resolve) => {
            to.wake = resolve;
          }),
      });
    },
    detach: async (name) => {
      await Promise.all(d.attached.filter((of) => of.name === name).map(detach));
    },
    drain: async () => {
      await Promise.all([...d.attached].map(detach));
      await lanes.close();
      for (const unwatch of watched) unwatch();
    },
    blocked: () => d.blocked.values().next().value,
    concurrency: d.concurrency.limit,
  };
};
