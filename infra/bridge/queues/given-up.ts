/**
 * Work that was delivered as often as its queue allows, and never acknowledged: no worker is given it again, and it would fill the
 * stream until it is too old. It becomes a dead letter with its bytes, and leaves the stream. The server says of each in an
 * advisory, which a stream keeps, so none is missed while no bridge runs.
 */
import { AckPolicy, type JetStreamClient, type JetStreamManager, type JsMsg } from '@nats-io/jetstream';
import { type Advisory, maxDeliveries } from '#shared/messages/dead-letter.ts';
import type { Publisher } from '../ports/ports.ts';
import { batchRecord } from '../ports/record.ts';
import { deadLetter } from '../publish/dead-letter.ts';
import { originOf } from '../sources/start-position.ts';
import { WORK_STREAM } from './work-queue.ts';

export const ADVISORY_STREAM = 'ADVISORIES';
const DURABLE = 'work-given-up';
const AT_ONCE = 100;
/** How long a look waits for the first one, ms. */
const LOOK_MS = 1000;

export type GivenUpOptions = {
  manager: JetStreamManager;
  client: JetStreamClient;
  publisher: Publisher;
  log: (sentence: string) => void;
};

/** Buries what was given up since the last time, 100 at most. Rejects where streams cannot be read or written. */
export const buryGivenUp = async (options: GivenUpOptions): Promise<void> => {
  const { manager, client } = options;
  const { num_pending, num_ack_pending } = await manager.consumers.add(ADVISORY_STREAM, {
    durable_name: DURABLE,
    ack_policy: AckPolicy.Explicit,
    filter_subject: `$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.${WORK_STREAM}.>`,
  });
  if (num_pending + num_ack_pending === 0) return;
  // It would wait for as many as it asks for. One that could not be buried comes again by itself.
  const max_messages = Math.min(AT_ONCE, Math.max(1, num_pending));
  const advisories = await (await client.consumers.get(ADVISORY_STREAM, DURABLE)).fetch({ max_messages, expires: LOOK_MS });
  for await (const message of advisories) {
    const advisory = read(message);
    if (advisory) await bury(options, advisory);
    message.ack();
  }
};

/** Undefined where somebody else wrote it. */
const read = (message: JsMsg): Advisory | undefined => {
  try {
    return maxDeliveries.body.safeParse(message.json()).data;
  } catch {
    return undefined;
  }
};

const bury = async ({ manager, publisher, log }: GivenUpOptions, advisory: Advisory): Promise<void> => {
  const { consumer, stream_seq: sequence, deliveries } = advisory;
  const [info, stored] = await Promise.all([manager.streams.info(WORK_STREAM), manager.streams.getMessage(WORK_STREAM, { seq: sequence })]);
  const lastAt = Date.parse(advisory.timestamp);
  // A stream made anew counts from one again: what is younger than the advisory is not what it is about.
  if (!stored || stored.time.getTime() > lastAt) return;
  const { subject, data } = stored;
  const [origin, timestamp] = [originOf(info), stored.time.getTime()];
  const message = {
    subject,
    data,
    get headers() {
      return stored.header;
    },
  };
  const record = batchRecord(message, { origin, sequence, timestamp, deliveries });
  const reason = { code: 'max_deliveries', message: `${deliveries} times workers took it and did not acknowledge it` };
  const facts = { record, stream: WORK_STREAM, consumer: `${origin}/${consumer}.1`, functionName: consumer, attempts: deliveries, reason };
  await publisher.publish(deadLetter({ ...facts, firstAt: timestamp, lastAt }, publisher.maxBytes()));
  // Only a copy is left: the letter is stored.
  await manager.streams.deleteMessage(WORK_STREAM, sequence, false);
  log(`${consumer}: a message of ${subject} was given up after ${deliveries} deliveries`);
};
