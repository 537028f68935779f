/**
 * The hand-over of an ordered binding (protocol, bridge rule 9): what an earlier owner was given and has not settled comes
 * again, and later than what follows it. The gate holds everything back until all of that has come, passes it on by
 * sequence, and is open from then on.
 *
 * It is a sink in front of the sink, and knows no NATS. It keeps extending the ack wait of what it holds. While it holds it
 * asks for one message at a time where new ones come, so that it does not fill with them, and for more where old ones do.
 */
import type { Clock } from '#shared/clock.ts';
import type { Delivery, Source } from '../ports/ports.ts';

export type Sink = Parameters<Source['start']>[0];

/** Of a consumer: how many messages are delivered and not settled, the highest sequence delivered so far, and who says so. */
export type GateReading = { outstanding: number; delivered: number; leader?: string };

export type OrderedGate = Sink & {
  /** Holds back from now on. What it held before is forgotten: it comes again. */
  shut(): void;
  /** The consumer is pulled from now: finds out what is out, and opens when that has come. */
  expect(): void;
  /** Gives back what it holds, and passes nothing on any more. */
  stop(): void;
};

export type OrderedGateOptions = {
  clock: Clock;
  /** How long the server waits for an ack, ms. */
  ackWait: number;
  /** Reads the consumer now. May reject: it is asked again. */
  read(): Promise<GateReading>;
  /** Whether nobody else can have the binding now. While that is not sure nothing is passed on. */
  owned(): boolean;
  /** Told when the consumer has another leader, which knows of no pull: it is to be pulled from anew, after `shut`. */
  moved(): void;
  log(sentence: string): void;
};

/** How often the consumer is read while the gate holds: an earlier owner may have settled some after all. */
const READ_MS = 500;
/** An answer takes a few ms; one that takes longer may be that of a server that was frozen and leads no more. */
const LATE_MS = 500;
/** How long it waits with the next message after a new one came. */
const PACE_MS = 100;
/** Beyond the ack wait, for the way of a redelivery. */
const SLACK_MS = 2000;

/** Shut and open by turns: begins open. */
export const orderedGate = ({ clock, ackWait, read, owned, moved, log }: OrderedGateOptions, sink: Sink): OrderedGate => {
  /** By sequence; undefined: the gate is open. */
  let held: Map<number, Delivery> | undefined;
  let reading: GateReading | undefined;
  /** For how long the server has answered every question, ms: nothing can come back from one that does not. */
  let answered = 0;
  /** How many of the held were out at the reading. */
  let came = 0;
  /** How many may be pulled now. */
  let allowance = 0;
  /** Timers of this time that it is shut. */
  let cancels = new Map<string, () => void>();
  const waiting: (() => void)[] = [];
  let stopped = false;

  const wake = () => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  const after = (name: string, ms: number, fn: () => void) => {
    cancels.get(name)?.();
    cancels.set(name, clock.after(ms, fn));
  };
  const forget = () => {
    for (const cancel of cancels.values()) cancel();
    cancels = new Map();
    held = undefined;
    reading = undefined;
    answered = 0;
    came = 0;
  };
  /** The ack wait of what is held begins again. */
  const extend = (deliveries: Iterable<Delivery>) => {
    for (const delivery of deliveries) {
      delivery.working();
      delivery.receivedAt = clock.now();
    }
  };
  const inOrder = (from: Map<number, Delivery>) => [...from].sort(([a], [b]) => a - b).map(([, delivery]) => delivery);

  const open = () => {
    if (!owned()) return askAgain();
    const ready = inOrder(held ?? new Map());
    forget();
    extend(ready);
    for (const delivery of ready) sink.deliver(delivery);
    wake();
  };

  const allow = (count: number) => {
    allowance = count;
    wake();
  };

  const ask = async (of: Map<number, Delivery>): Promise<void> => {
    if (!owned()) {
      answered = 0;
      return askAgain();
    }
    // Counted before the question: what comes meanwhile the server may have counted or not.
    const inHands = of.size;
    const asked = clock.now();
    let result = await read().catch(() => undefined);
    if (held !== of) return;
    if (!result || clock.now() - asked > LATE_MS) {
      answered = 0;
      result = result && (await read().catch(() => undefined));
      if (held !== of) return;
    }
    if (result && reading && result.leader !== reading.leader) return moved();
    if (result && !reading) {
      reading = result;
      came = [...of.keys()].filter((sequence) => sequence <= result.delivered).length;
      allow(1);
    }
    // All that is out is in these hands.
    if (result && result.outstanding <= inHands) return open();
    if (reading && came >= reading.outstanding) return open();
    // What has not come by now was given a longer delay by the owner before, or is in the lanes of this one.
    if (result && answered >= ackWait + SLACK_MS) {
      const missing = result.outstanding - of.size;
      if (missing > 0) log(`messages of an earlier owner that have not come back: ${missing}; later ones do not wait for them any longer`);
      return open();
    }
    if (result) answered += READ_MS;
    askAgain();
  };
  const askAgain = () => after('read', READ_MS, () => held && void ask(held));

  const keep = (of: Map<number, Delivery>) =>
    after('keep', ackWait / 4, () => {
      extend(of.values());
      keep(of);
    });

  const shut = () => {
    if (stopped) return;
    forget();
    const of = new Map<number, Delivery>();
    held = of;
    allowance = 0;
    keep(of);
  };
  const expect = () => {
    if (held) void ask(held);
  };

  return {
    shut,
    expect,
    deliver(delivery) {
      if (stopped) return delivery.nak(0);
      if (!held && !owned()) {
        shut();
        expect();
      }
      if (!held) return sink.deliver(delivery);
      const { sequence } = delivery.record;
      const isNew = !held.has(sequence);
      held.set(sequence, delivery);
      if (!reading) return;
      if (sequence > reading.delivered) {
        allowance = 0;
        return after('pace', PACE_MS, () => allow(1));
      }
      if (isNew) came++;
      if (came >= reading.outstanding) return open();
      allowance = Math.min(2 * allowance + 1, reading.outstanding - came);
    },
    room: () => (held ? Math.min(sink.room(), allowance) : sink.room()),
    roomed: () =>
      held
        ? new Promise((resolve) => {
            waiting.push(resolve);
            void sink.roomed().then(resolve);
          })
        : sink.roomed(),
    stop() {
      stopped = true;
      const left = inOrder(held ?? new Map());
      forget();
      for (const delivery of left) delivery.nak(0);
    },
  };
};
