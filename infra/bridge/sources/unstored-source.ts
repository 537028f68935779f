/**
 * What core and request sources share: messages that no stream stores. They are numbered here, they are delivered once,
 * and the floor is this bridge's own account of what it has settled.
 */
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { type Clock, systemClock } from '#shared/clock.ts';
import type { ErrorBody } from '#shared/contract.ts';
import type { Delivery, Source } from '../ports/ports.ts';
import { reconnected } from '../ports/reconnected.ts';
import { batchRecord, bytesOf, durableName } from '../ports/record.ts';

export type UnstoredSourceOptions = {
  nc: NatsConnection;
  /** `<function>.<event name>`; bridges that have it share the messages as one queue group. */
  binding: string;
  subjects: string[];
  bridgeId: string;
  /** Epoch ms at which this bridge started. */
  started: number;
  /** A message was lost: there was no room for it, its source refused it, or the function failed it and it cannot come again. */
  dropped(why: 'no_room' | 'refused' | 'failed'): void;
  clock?: Clock;
};

/** What a kind of source adds to a message that arrived at one of its subjects. */
export type Extra = Pick<Delivery, 'deadline' | 'respond'> & {
  /** Why no function gets it. */
  refusal?: ErrorBody;
  /** Nothing more is said of it. */
  settled?(): void;
};

const NO_ROOM: ErrorBody = { code: 'too_many', message: 'this bridge holds as many messages as it may: ask again' };

/** The end of the prefix of numbers that are settled. */
const contiguous = () => {
  const ahead = new Set<number>();
  let floor = 0;
  return {
    floor: () => floor,
    settle(sequence: number) {
      if (sequence > floor) ahead.add(sequence);
      while (ahead.delete(floor + 1)) floor += 1;
    },
  };
};

export const unstoredSource = (
  kind: 'core' | 'request',
  { nc, binding, subjects, bridgeId, started, dropped, clock = systemClock }: UnstoredSourceOptions,
  extra: (msg: Msg, subject: string) => Extra,
): Source => {
  // The binding is part of the origin: each binding counts for itself, and two must not name two messages alike.
  const origin = `${kind}.${bridgeId}.${durableName(binding)}@${started}`;
  const settled = contiguous();
  const connection = reconnected(nc, clock);
  let heardSince = clock.now();
  let subscriptions: Subscription[] = [];
  let sequence = 0;

  const toDelivery = (msg: Msg, { refusal: _, settled: onSettled, ...rest }: Extra): Delivery => {
    sequence += 1;
    const own = sequence;
    const now = clock.now();
    let open = true;
    const settle = () => {
      if (!open) return false;
      open = false;
      settled.settle(own);
      onSettled?.();
      return true;
    };
    return {
      record: batchRecord(msg, { origin, sequence, timestamp: now, deliveries: 1, ...(msg.reply && { reply: msg.reply }) }),
      bytes: bytesOf(msg),
      receivedAt: now,
      ack: () => void settle(),
      nak() {
        if (settle()) dropped('failed');
      },
      working() {},
      ...rest,
    };
  };

  return {
    eventSource: `nats:${kind}`,
    consumer: `${kind}@${started}/${binding}.${bridgeId}`,
    heardSince: () => Math.max(heardSince, connection.at),
    start(sink) {
      heardSince = clock.now();
      const arrive = (msg: Msg, subject: string) => {
        const added = extra(msg, subject);
        const refusal = added.refusal ?? (sink.room() > 0 ? undefined : NO_ROOM);
        if (!refusal) return sink.deliver(toDelivery(msg, added));
        added.respond?.({ error: refusal });
        added.settled?.();
        heardSince = clock.now();
        dropped(added.refusal ? 'refused' : 'no_room');
      };
      subscriptions = subjects.map((subject) => {
        const callback = (error: Error | null, msg: Msg) => {
          if (error) return;
          try {
            arrive(msg, subject);
          } catch {
            // What throws in here ends the client's reader, and with it everything.
            dropped('failed');
          }
        };
        return nc.subscribe(subject, { queue: durableName(binding), callback });
      });
    },
    readFloor: async () => ({ sequence: settled.floor(), asOf: new Date(clock.now()).toISOString() }),
    async stop() {
      // Draining delivers what the server has sent already; without a connection there is nothing of that kind.
      await Promise.allSettled(subscriptions.map((subscription) => subscription.drain()));
    },
  };
};
