/**
 * A JetStream stream with one durable consumer: explicit acks, an ack wait, delayed naks, an ack floor. It can do what a
 * power failure does: lose its tail, forget its consumer's state, or be made anew. And what an operator does: begin the
 * consumer anew at another sequence, as its next epoch.
 */
import type { Delivery, Source } from '#infra/bridge/ports/ports.ts';
import type { BatchRecord, Floor } from '#shared/contract.ts';
import { type Bed, later, pause } from './bed.ts';

const ACK_WAIT_MS = 2000;

export type Stored = { sequence: number; timestamp: number; id: string; subject: string; data: string };
/**
 * A bridge that listens. `tail` counts the losses of the stream's tail that it can know of: a sequence came twice.
 * `connection` counts the connections of one that says nothing of what came by an earlier one.
 */
type Sink = Parameters<Source['start']>[0] & { tail: number; newest: number; connection: number; reconnected?: () => void };

export type Stream = ReturnType<typeof createStream>;

/** `ackWait`: what the server keeps to, ms; the bridge is always told the default. */
export const createStream = (bed: Bed, name: string, ackWait = ACK_WAIT_MS) => {
  const { time, random, log } = bed;
  const messages = new Map<number, Stored>();
  let created = time.now();
  let last = 0;
  let floor = 0;
  let epoch = 1;
  /** Where the epoch began. */
  let start = 1;
  /** The next message that was never delivered. */
  let next = 1;
  const settled = new Set<number>();
  const deliveries = new Map<number, number>();
  /** Delivered and unsettled, with the timer of its ack wait. */
  const pending = new Map<number, () => void>();
  let redeliver: number[] = [];
  /** Readings of the floor, oldest first: what a slow replica may still answer. */
  let readings: Floor[] = [];
  /** When the floor rose, and to what. */
  const rises: { at: number; floor: number }[] = [];
  /** How often the tail was lost, and at which count a message was stored. */
  let tail = 0;
  const tailOf = new WeakMap<Stored, number>();
  let sinks: Sink[] = [];
  const waiting = new Set<Sink>();
  let pumping = false;
  const listeners: ((message: Stored) => void)[] = [];

  const origin = () => `${name}@${created}`;
  const identity = () => `${origin()}/${name.toLowerCase()}.${epoch}`;

  /** A connection was lost, or the server went down and came back. */
  const reconnect = (those: readonly Sink[]): void => {
    for (const sink of those) {
      if (!sink.reconnected) continue;
      sink.connection++;
      sink.reconnected();
    }
    pump();
  };

  /** One that has none is asked again when it says so. */
  const hasRoom = (sink: Sink): boolean => {
    if (sink.room() > 0) return true;
    if (!waiting.has(sink)) void sink.roomed().then(() => waiting.delete(sink) && pump());
    waiting.add(sink);
    return false;
  };

  const pump = (): void => {
    if (pumping) return;
    pumping = true;
    later(bed, random.between(1, 3), () => {
      pumping = false;
      for (;;) {
        const asking = sinks.filter(hasRoom);
        const [sink] = asking.length > 1 ? [random.pick(asking)] : asking;
        if (!sink) return;
        const sequence = redeliver.shift() ?? (next <= last ? next++ : undefined);
        if (sequence === undefined) return;
        const message = messages.get(sequence);
        if (message && !settled.has(sequence) && sequence > floor) deliver(sink, message);
      }
    });
  };

  const waitForAck = (sequence: number, ms: number, then: () => void): void => {
    pending.get(sequence)?.();
    pending.set(sequence, time.at(time.now() + ms, then));
  };

  const again = (sequence: number): void => {
    pending.delete(sequence);
    redeliver.push(sequence);
    pump();
  };

  const deliver = (to: Sink, message: Stored): void => {
    const { sequence } = message;
    const count = (deliveries.get(sequence) ?? 0) + 1;
    deliveries.set(sequence, count);
    waitForAck(sequence, ackWait, () => again(sequence));
    if (bed.spoilt('a delivery is lost') !== undefined) {
      log(() => `${name} ${sequence} is delivered, but does not arrive`);
      reconnect([to]);
      return;
    }
    log(() => `${name} ${sequence} is delivered${count > 1 ? `, the ${count}. time` : ''}: ${message.subject} ${message.data}`);
    if (sequence <= to.newest) to.tail = Math.max(to.tail, tailOf.get(message) ?? 0);
    to.newest = sequence;
    to.deliver(toDelivery(to, message, count));
  };

  const toDelivery = (to: Sink, message: Stored, count: number): Delivery => {
    const { id, sequence, timestamp, subject, data } = message;
    const from = created;
    const before = tail;
    const { connection } = to;
    /** What the bridge says goes to the sequence, as in NATS; a stream made anew does not know the consumer. */
    const say = (effect: () => void) => {
      // Not judged: what is said of an old message by a bridge that cannot know yet that its sequence was used again. The
      // server went down, and with it the connection; what is said of messages from before goes nowhere.
      if ((before < tail && to.tail < tail) || connection < to.connection) return;
      later(bed, random.between(1, 4), () => from === created && pending.has(sequence) && effect());
    };
    const record: BatchRecord = {
      ...{ id, subject, data, encoding: 'utf8', headers: {}, sequence, deliveries: count },
      timestamp: new Date(timestamp).toISOString(),
    };
    return {
      record,
      bytes: data.length,
      receivedAt: time.now(),
      ack() {
        if (bed.spoilt('an ack is lost') !== undefined) return log(() => `the ack of ${name} ${sequence} is lost`);
        say(() => settle(sequence));
      },
      nak(ms) {
        if (bed.spoilt('a nak is lost') !== undefined) return log(() => `the nak of ${name} ${sequence} is lost`);
        say(() => {
          log(() => `${name} ${sequence} is refused, again in ${ms} ms`);
          waitForAck(sequence, ms, () => again(sequence));
        });
      },
      working: () => say(() => waitForAck(sequence, ackWait, () => again(sequence))),
    };
  };

  const settle = (sequence: number): void => {
    const message = messages.get(sequence);
    pending.get(sequence)?.();
    pending.delete(sequence);
    settled.add(sequence);
    while (settled.delete(floor + 1)) floor++;
    rises.push({ at: time.now(), floor });
    log(() => `${name} ${sequence} is acked, floor ${floor}`);
    if (message) for (const listener of listeners) listener(message);
  };

  const forgetDeliveries = (above: number): void => {
    for (const [sequence, cancel] of pending)
      if (sequence > above) {
        cancel();
        pending.delete(sequence);
      }
    for (const known of [settled, deliveries]) for (const sequence of known.keys()) if (sequence > above) known.delete(sequence);
    redeliver = redeliver.filter((sequence) => sequence <= above);
    floor = Math.min(floor, above);
    next = Math.min(next, above + 1);
  };

  const readFloor = async (): Promise<Floor> => {
    const from = identity();
    await pause(bed, random.between(1, 6));
    if (bed.spoilt('the floor cannot be read') !== undefined) throw new Error('no answer');
    const old = bed.spoilt('the floor read is old');
    if (from !== identity()) throw new Error('the consumer was made anew');
    readings.push({ sequence: floor, asOf: new Date(time.now()).toISOString(), ...(start > 1 && { from: start }) });
    const reading = readings[old === undefined ? readings.length - 1 : Math.floor(old * readings.length)] as Floor;
    if (old !== undefined) log(() => `the floor of ${name} is read as ${reading.sequence} of ${reading.asOf}`);
    return reading;
  };

  return {
    publish(subject: string, data: string): Stored {
      const sequence = ++last;
      const message = { sequence, timestamp: time.now(), id: `${origin()}:${sequence}:${time.now()}`, subject, data };
      messages.set(sequence, message);
      tailOf.set(message, tail);
      pump();
      return message;
    },
    /** Everything that was stored is settled. */
    isDrained: () => floor === last,
    floor: () => floor,
    floorAt: (at: number) => rises.findLast((rise) => rise.at <= at)?.floor ?? 0,
    onSettled: (listener: (message: Stored) => void) => void listeners.push(listener),
    /** Power failure: what was not synced is gone, and its sequences are used again. Answers what was lost. */
    loseTail(count: number): Stored[] {
      const from = Math.max(0, last - count);
      const lost = [...messages.values()].filter(({ sequence }) => sequence > from);
      for (const { sequence } of lost) messages.delete(sequence);
      last = from;
      tail++;
      forgetDeliveries(from);
      reconnect(sinks);
      return lost;
    },
    /** It stands again where it stood some time in this epoch: `x`, 0 to 1, of its way. Answers its floor. */
    loseConsumerState(x: number): number {
      const least = Math.min(start - 1, floor);
      forgetDeliveries(least + Math.floor(x * (floor - least)));
      reconnect(sinks);
      return floor;
    },
    last: () => last,
    /** Whether a record's id is of this stream, as it was created last. */
    holds: (id: string) => id.startsWith(`${origin()}:`),
    /** What is delivered and not settled, and how far it is delivered. */
    reading: () => ({ outstanding: pending.size + redeliver.length, delivered: next - 1 }),
    /** The consumer is deleted, and created as its next epoch: it begins at `from`, wherever it was. */
    reset(from: number): void {
      forgetDeliveries(0);
      epoch++;
      start = from;
      floor = from - 1;
      next = from;
      readings = [];
      pump();
    },
    /** Deleted and created: nothing is left, and the sequences begin at 1. Answers what was not settled. */
    makeAnew(): Stored[] {
      const open = [...messages.values()].filter(({ sequence }) => sequence > floor && !settled.has(sequence));
      messages.clear();
      forgetDeliveries(0);
      last = 0;
      start = 1;
      created = time.now();
      readings = [];
      reconnect(sinks);
      return open;
    },
    /** The source of a bridge; it is silent once `isAlive` says no. `reconnected`: a delivery was lost with the connection. */
    source: (isAlive: () => boolean, reconnected?: () => void): Source => {
      let own: Sink | undefined;
      return {
        eventSource: 'nats:jetstream',
        get consumer() {
          return identity();
        },
        ackWait: ACK_WAIT_MS,
        start(to) {
          own = { ...to, tail: 0, newest: 0, connection: 0, room: () => (isAlive() ? to.room() : 0), ...(reconnected && { reconnected }) };
          sinks = [...sinks, own];
          pump();
        },
        readFloor,
        async stop() {
          sinks = sinks.filter((sink) => sink !== own);
        },
      };
    },
  };
};
