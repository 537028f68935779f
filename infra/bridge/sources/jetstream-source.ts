/**
 * A binding's messages from a stream, by a durable pull consumer that this source creates and keeps. It outlives lost
 * connections, server restarts, leader changes, and the deletion of its consumer or stream.
 */
import { jetstreamManager } from '@nats-io/jetstream';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { type Clock, sleep, systemClock } from '#shared/clock.ts';
import type { Delivery, Source } from '../ports/ports.ts';
import { batchRecord, bytesOf, parseAck } from '../ports/record.ts';
import { ConsumerError, type Durable, type DurableSpec, ensureDurable, floorOf } from './durable-consumer.ts';
import { type GateReading, type OrderedGate, orderedGate } from './ordered-gate.ts';
import { EXPIRES_MS, type Pulls, pulls, RECONNECTED, SILENT } from './pull.ts';
import type { From } from './start-position.ts';

const ACK = Buffer.from('+ACK');
const NAK = Buffer.from('-NAK');
const WORKING = Buffer.from('+WPI');
const nakAfter = (ms: number): string => `-NAK {"delay":${Math.round(ms * 1e6)}}`;
const MIN_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 5_000;
/** How long the first set-up waits for a server that has no leader yet. */
const PATIENCE_MS = 30_000;
const A_MINUTE_MS = 60_000;

export type JetStreamSourceOptions = DurableSpec & {
  nc: NatsConnection;
  /** What an earlier owner left unsettled comes before what follows it, by sequence. */
  ordered?: true;
  /** Ordered: whether nobody else can have the binding now. What comes while that is not sure is held back. */
  owned?: () => boolean;
  /** Told in a sentence why the consumer is set up again, and what stands in the way; not again while that stays so. */
  log(sentence: string): void;
  clock?: Clock;
};

/**
 * Resolves when the consumer stands. Rejects with a ConsumerError that says what to mend. `consumer` of the answer changes
 * when the stream or the consumer is made anew.
 */
export const jetstreamSource = async ({
  nc,
  log,
  ordered,
  owned = () => true,
  clock = systemClock,
  ...spec
}: JetStreamSourceOptions): Promise<Source> => {
  const { stream, durable } = spec;
  const manager = await jetstreamManager(nc, { checkAPI: false });
  const setUp = (start?: From) => ensureDurable(manager, { ...spec, ...(start && { start }) });
  let current: Durable = await firstSetUp(setUp, clock);
  /** The highest floor that was read: a consumer that somebody deletes goes on there. */
  let settled = current.floor;
  let pulling: Pulls | undefined;
  let settingUp: Promise<Durable> | undefined;
  let gate: OrderedGate | undefined;
  let stopped = false;
  /** Another one after each reconnect. */
  let connection = {};

  const keepPulling = async (source: Pulls) => {
    let backoff = MIN_BACKOFF_MS;
    let told = '';
    const tell = (sentence: string) => {
      if (sentence !== told) log(`${stream}/${durable}: ${sentence}`);
      told = sentence;
    };
    while (!stopped) {
      const since = clock.now();
      gate?.expect();
      const why = await source.run();
      if (stopped) return;
      if (why === RECONNECTED || why === SILENT) connection = {};
      gate?.shut();
      if (clock.now() - since > MAX_BACKOFF_MS) {
        backoff = MIN_BACKOFF_MS;
        told = '';
      }
      tell(`${why}; the consumer is set up again`);
      for (let standing = false; !standing; backoff = Math.min(2 * backoff, MAX_BACKOFF_MS)) {
        await sleep(clock, backoff);
        if (stopped) return;
        try {
          settingUp = setUp({ sequence: settled + 1, of: current.origin });
          const found = await settingUp;
          // An equal consumer keeps its object: what was delivered before is still to be acknowledged.
          if (found.born !== current.born || found.identity !== current.identity) {
            current = found;
            settled = found.floor;
            gate?.shut();
          }
          standing = true;
        } catch (error) {
          tell(`${(error as Error).message}; trying again`);
        }
      }
    }
  };

  const toDelivery = (msg: Msg): Delivery => {
    const from = current;
    const over = connection;
    const reply = msg.reply as string;
    const { deliveries, sequence, timestamp } = parseAck(reply);
    // A consumer made anew counts from the start, and a server that comes back may have lost its tail: an ack of what was
    // delivered before would settle another message. What is not settled comes again, and is answered from the table.
    const answer = (verb: string | Uint8Array) => {
      if (from === current && over === connection && !nc.isClosed()) nc.publish(reply, verb);
    };
    return {
      record: batchRecord(msg, {
        origin: from.origin,
        sequence,
        timestamp,
        deliveries,
      }),
      bytes: bytesOf(msg),
      receivedAt: clock.now(),
      ack: () => answer(ACK),
      nak: (delayMs) => answer(delayMs > 0 ? nakAfter(delayMs) : NAK),
      working: () => answer(WORKING),
    };
  };

  /** What throws in here ends the client's reader, and with it everything. */
  const sparing = (subject: string, take: () => void, leave: () => void): void => {
    try {
      take();
    } catch (error) {
      log(`${stream}/${durable}: ${subject} cannot be taken in and is left for a minute: ${String(error)}`);
      leave();
    }
  };

  /** For the gate, which pulls nothing before it was told. */
  const gateReader = () => {
    let patience = clock.now() + EXPIRES_MS;
    return async (): Promise<GateReading> => {
      const info = await manager.consumers.info(stream, durable);
      // The pulls of an owner whose connection died in silence still take messages.
      if (info.num_waiting > 0 && clock.now() < patience) throw new Error(`${stream}/${durable}: somebody else pulls`);
      patience = 0;
      const leader = `${info.cluster?.leader} ${info.cluster?.leader_since}`;
      return { outstanding: info.num_ack_pending, delivered: info.delivered.stream_seq, leader };
    };
  };

  return {
    eventSource: 'nats:jetstream',
    get consumer() {
      return current.identity;
    },
    ackWait: spec.ackWait,
    start(sink) {
      const deliver = (delivery: Delivery) =>
        sparing(
          delivery.record.subject,
          () => sink.deliver(delivery),
          () => delivery.nak(A_MINUTE_MS),
        );
      if (ordered) {
        const tell = (sentence: string) => log(`${stream}/${durable}: ${sentence}`);
        const moved = () => pulling?.end('the consumer has another leader');
        gate = orderedGate({ clock, ackWait: spec.ackWait, read: gateReader(), owned, moved, log: tell }, { ...sink, deliver });
        gate.shut();
      }
      const to = gate ?? { ...sink, deliver };
      const take = (msg: Msg) =>
        sparing(
          msg.subject,
          () => to.deliver(toDelivery(msg)),
          () => nc.publish(msg.reply as string, nakAfter(A_MINUTE_MS)),
        );
      const late = (msg: Msg) => toDelivery(msg).nak(0);
      pulling = pulls({ nc, clock, stream, durable, sink: to, deliver: take, late });
      void keepPulling(pulling);
    },
    async readFloor() {
      const from = current;
      const info = await manager.consumers.info(stream, durable);
      if (info.created !== from.born || from !== current)
        throw new Error(`${stream}/${durable}: the consumer was made anew just now; read the floor again`);
      settled = Math.max(settled, info.ack_floor.stream_seq);
      return floorOf(info);
    },
    async stop() {
      stopped = true;
      gate?.stop();
      await pulling?.stop();
      // A consumer that is set up after this could be the one of another epoch.
      await settingUp?.catch(() => {});
    },
  };
};

const firstSetUp = async (setUp: () => Promise<Durable>, clock: Clock): Promise<Durable> => {
  const until = clock.now() + PATIENCE_MS;
  for (let backoff = MIN_BACKOFF_MS; ; backoff = Math.min(2 * backoff, MAX_BACKOFF_MS)) {
    try {
      return await setUp();
    } catch (error) {
      if (error instanceof ConsumerError || clock.now() > until) throw error;
      await sleep(clock, backoff);
    }
  }
};
