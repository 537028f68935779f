/**
 * A binding's messages from a stream, by a durable pull consumer that this source creates and keeps. It outlives lost
 * connections, server restarts, leader changes, and the deletion of its consumer or stream.
 */
import { jetstreamManager } from '@nats-io/jetstream';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { type Clock, sleep, systemClock } from '#shared/clock.ts';
import { ConsumerError, type Durable, type DurableSpec, ensureDurable } from './durable-consumer.ts';
import type { Delivery, Source } from './ports.ts';
import { type Pulls, pulls, RECONNECTED } from './pull.ts';
import { batchRecord, bytesOf, parseAck } from './record.ts';

const ACK = Buffer.from('+ACK');
const NAK = Buffer.from('-NAK');
const WORKING = Buffer.from('+WPI');
const MIN_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 5_000;
/** How long the first set-up waits for a server that has no leader yet. */
const PATIENCE_MS = 30_000;

export type JetStreamSourceOptions = DurableSpec & {
  nc: NatsConnection;
  /** Told in a sentence why the consumer is set up again, and what stands in the way; not again while that stays so. */
  log(sentence: string): void;
  clock?: Clock;
};

/**
 * Resolves when the consumer stands. Rejects with a ConsumerError that says what to mend. `consumer` of the answer changes
 * when the stream is made anew.
 */
export const jetstreamSource = async ({ nc, log, clock = systemClock, ...spec }: JetStreamSourceOptions): Promise<Source> => {
  const { stream, durable } = spec;
  const manager = await jetstreamManager(nc, { checkAPI: false });
  let current: Durable = await firstSetUp(() => ensureDurable(manager, spec), clock);
  let pulling: Pulls | undefined;
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
      const why = await source.run();
      if (stopped) return;
      if (why === RECONNECTED) connection = {};
      if (clock.now() - since > MAX_BACKOFF_MS) {
        backoff = MIN_BACKOFF_MS;
        told = '';
      }
      tell(`${why}; the consumer is set up again`);
      for (let standing = false; !standing && !stopped; backoff = Math.min(2 * backoff, MAX_BACKOFF_MS)) {
        await sleep(clock, backoff);
        try {
          // An equal consumer keeps its object: what was delivered before is still to be acknowledged.
          const found = await ensureDurable(manager, spec);
          if (found.born !== current.born || found.identity !== current.identity) current = found;
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
      nak: (delayMs) => answer(delayMs > 0 ? `-NAK {"delay":${Math.round(delayMs * 1e6)}}` : NAK),
      working: () => answer(WORKING),
    };
  };

  return {
    eventSource: 'nats:jetstream',
    get consumer() {
      return current.identity;
    },
    ackWait: spec.ackWait,
    start(sink) {
      const late = (msg: Msg) => toDelivery(msg).nak(0);
      const deliver = (msg: Msg) => {
        try {
          sink.deliver(toDelivery(msg));
        } catch (error) {
          // What throws in here ends the client's reader, and with it everything.
          log(`${stream}/${durable}: ${msg.subject} cannot be taken in and is left for a minute: ${String(error)}`);
          nc.publish(msg.reply as string, '-NAK {"delay":60000000000}');
        }
      };
      pulling = pulls({ nc, clock, stream, durable, sink, deliver, late });
      void keepPulling(pulling);
    },
    async readFloor() {
      const from = current;
      const info = await manager.consumers.info(stream, durable);
      if (info.created !== from.born || from !== current)
        throw new Error(`${stream}/${durable}: the consumer was made anew just now; read the floor again`);
      return { sequence: info.ack_floor.stream_seq, asOf: new Date(Date.parse(info.ts ?? '')).toISOString() };
    },
    async stop() {
      stopped = true;
      await pulling?.stop();
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
