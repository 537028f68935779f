/**
 * Messages that a stream took but that the catalogue does not know (an id with a dot, a misspelt verb): no function would
 * ever see them, so they are dead-lettered as `unrouted`. One consumer a stream reads headers only and acknowledges in
 * strides, so that it costs next to nothing beside the bindings.
 */
import { AckPolicy, type ConsumerMessages, type JetStreamManager, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { catalogue, messageBySubject } from '#shared/messages/catalogue.ts';
import { subjectProblem } from '#shared/subject-matcher.ts';
import { deadLetter } from './dead-letter.ts';
import type { BridgeMetrics } from './metrics.ts';
import type { Publisher } from './ports.ts';
import { batchRecord } from './record.ts';

const DURABLE = 'unrouted';
const STRIDE = 500;
const patterns = catalogue.map(({ subject }) => subject);

export type UnroutedOptions = {
  nc: NatsConnection;
  manager: JetStreamManager;
  publisher: Publisher;
  metrics: BridgeMetrics;
  log: (sentence: string) => void;
};

/** Watches a stream until the returned function is called. */
export const watchUnrouted = async (
  stream: string,
  { nc, manager, publisher, metrics, log }: UnroutedOptions,
): Promise<() => Promise<void>> => {
  await manager.consumers.add(stream, {
    durable_name: DURABLE,
    ack_policy: AckPolicy.All,
    headers_only: true,
    max_ack_pending: 20 * STRIDE,
  });
  const consumer = await jetstream(nc).consumers.get(stream, DURABLE);
  const created = Date.parse((await manager.streams.info(stream)).created);

  const bury = async (sequence: number): Promise<void> => {
    const stored = await manager.streams.getMessage(stream, { seq: sequence });
    if (!stored) return;
    const timestamp = stored.time.getTime();
    const record = batchRecord(
      { subject: stored.subject, data: stored.data, headers: stored.header } as unknown as Parameters<typeof batchRecord>[0],
      { origin: `${stream}@${created}`, sequence, timestamp, deliveries: 1 },
    );
    const facts = {
      record,
      stream,
      consumer: `${stream}@${created}/${DURABLE}.1`,
      functionName: 'bridge',
      attempts: 0,
      firstAt: timestamp,
      lastAt: Date.now(),
      reason: { code: 'unrouted', message: subjectProblem(patterns, stored.subject).message },
    };
    await publisher.publish(deadLetter(facts, publisher.maxBytes()));
    metrics.unrouted.inc({ stream });
  };

  let stopped = false;
  let messages: ConsumerMessages | undefined;
  const watch = async (): Promise<void> => {
    let sinceAck = 0;
    messages = await consumer.consume({ max_messages: 4 * STRIDE });
    for await (const message of messages) {
      if (!messageBySubject(message.subject)) await bury(message.seq);
      if (++sinceAck < STRIDE && message.info.pending > 0) continue;
      message.ack();
      sinceAck = 0;
    }
  };
  const keepWatching = async (): Promise<void> => {
    while (!stopped) {
      // What was not acknowledged comes again: nothing is missed by starting over.
      await watch().catch((error: Error) => log(`${stream}: the watch for unrouted messages starts over: ${error.message}`));
      if (!stopped) await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  };
  const watching = keepWatching();
  return async () => {
    stopped = true;
    await messages?.close();
    await watching;
  };
};
