/**
 * Messages that a stream took but that the catalogue does not know (an id with a dot, a misspelt verb, a type that does not
 * exist): no function would ever see them, so they are dead-lettered as `unrouted`. One consumer a stream reads headers only and
 * acknowledges in strides, so that it costs little beside the bindings.
 */
import { AckPolicy, type JetStreamManager } from '@nats-io/jetstream';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { type Clock, sleep, systemClock } from '#shared/clock.ts';
import { catalogue, messageBySubject, strangeParam } from '#shared/messages/catalogue.ts';
import { subjectProblem } from '#shared/subject-matcher.ts';
import { matchesFilter } from '#shared/subjects.ts';
import type { BridgeMetrics } from '../observe/metrics.ts';
import type { Publisher } from '../ports/ports.ts';
import { batchRecord, parseAck } from '../ports/record.ts';
import { deadLetter } from '../publish/dead-letter.ts';
import { type Pulls, pulls } from './pull.ts';

/** Streams that capture whole families, so also what nobody knows. */
export const WATCHED_STREAMS = ['SUPERVISION_EVENTS', 'COORDINATION_MESSAGES', 'COORDINATION', 'ALERTS'];

const DURABLE = 'unrouted';
const STRIDE = 500;
const ROOM = 4 * STRIDE;
const AGAIN_MS = 1000;
const patterns = catalogue.map(({ subject }) => subject);

const readable = <T>(read: () => T): T | undefined => {
  try {
    return read();
  } catch {
    return undefined;
  }
};

export type UnroutedOptions = {
  nc: NatsConnection;
  manager: JetStreamManager;
  publisher: Publisher;
  metrics: BridgeMetrics;
  /** Filters of the functions that hear the stream: what they take they judge themselves. */
  heard: readonly string[];
  log: (sentence: string) => void;
  clock?: Clock;
};

/** Watches a stream until the returned function is called. */
export const watchUnrouted = async (
  stream: string,
  { nc, manager, publisher, metrics, heard, log, clock = systemClock }: UnroutedOptions,
): Promise<() => Promise<void>> => {
  const ensure = () =>
    manager.consumers.add(stream, { durable_name: DURABLE, ack_policy: AckPolicy.All, headers_only: true, max_ack_pending: 2 * ROOM });
  await ensure();

  /** A sentence; undefined: somebody hears it. */
  const problemOf = (subject: string): string | undefined => {
    const message = messageBySubject(subject);
    if (!message) return subjectProblem(patterns, subject).message;
    const strange = strangeParam(message, subject);
    return strange !== undefined && heard.some((filter) => matchesFilter(filter, subject)) ? undefined : strange;
  };

  const bury = async (sequence: number, problem: string): Promise<void> => {
    const [{ created }, stored] = await Promise.all([manager.streams.info(stream), manager.streams.getMessage(stream, { seq: sequence })]);
    if (!stored) return;
    const { subject, data } = stored;
    const headers = readable(() => stored.header);
    const origin = `${stream}@${Date.parse(created)}`;
    const timestamp = stored.time.getTime();
    const reason = { code: 'unrouted', message: problem };
    const record = batchRecord({ subject, data, ...(headers && { headers }) }, { origin, sequence, timestamp, deliveries: 1 });
    const facts = { record, stream, consumer: `${origin}/${DURABLE}.1`, functionName: 'bridge', attempts: 0, reason };
    await publisher.publish(deadLetter({ ...facts, firstAt: timestamp, lastAt: clock.now() }, publisher.maxBytes()));
    metrics.unrouted.inc({ stream });
  };

  const buryForCertain = async (sequence: number, problem: string): Promise<void> => {
    for (let told = false; !stopped; told = true) {
      try {
        return await bury(sequence, problem);
      } catch (error) {
        if (!told) log(`${stream}: the unrouted message ${sequence} cannot be dead-lettered, trying again: ${(error as Error).message}`);
        await sleep(clock, AGAIN_MS);
      }
    }
  };

  let stopped = false;
  let sinceAck = 0;
  /** An ack is for all before it, so it waits for what is being buried. */
  let buried = Promise.resolve();
  const look = ({ subject, reply }: Msg): void => {
    const { sequence, pending } = parseAck(reply as string);
    const problem = problemOf(subject);
    if (problem !== undefined) buried = buried.then(() => buryForCertain(sequence, problem));
    if (++sinceAck < STRIDE && pending > 0) return;
    sinceAck = 0;
    buried = buried.then(() => {
      if (!stopped && !nc.isClosed()) nc.publish(reply as string, '+ACK');
    });
  };

  let pulling: Pulls | undefined;
  const keepWatching = async (): Promise<void> => {
    while (!stopped) {
      const sink = { room: () => ROOM, roomed: () => buried };
      pulling = pulls({ nc, clock, stream, durable: DURABLE, sink, deliver: look, late: () => {} });
      const why = await pulling.run();
      await pulling.stop();
      if (stopped) return;
      // What was not acknowledged comes again: nothing is missed by starting over.
      log(`${stream}: the watch for unrouted messages starts over: ${why}`);
      await sleep(clock, AGAIN_MS);
      await ensure().catch(() => undefined);
    }
  };
  const watching = keepWatching();
  return async () => {
    stopped = true;
    await pulling?.stop();
    await watching;
  };
};
