/**
 * Publishes what functions answered. Where a stream captures the subject: with a message id, until the stream has
 * acknowledged it, in atomic batches where the stream takes them and one by one elsewhere. Where none does: plainly, with one
 * flush a call. The order of a call is kept within a stream, and among what no stream captures.
 */
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { type Clock, systemClock } from '#shared/clock.ts';
import type { Headers } from '#shared/contract.ts';
import { type Outgoing, PublishError, type Publisher } from '../ports/ports.ts';
import { natsHeaders } from '../ports/record.ts';
import { atomicBatches, type Waiting } from './atomic-batch.ts';
import { type Capture, capturedSubjects } from './captured-subjects.ts';
import { readPubAck, refusal } from './pub-ack.ts';
import { requests } from './requests.ts';
import { timers } from './timers.ts';

export type NatsPublisher = Publisher & {
  /** Reads anew which subjects the streams capture. */
  refresh(): Promise<void>;
  close(): void;
};

const SUBJECT = /^[^\s.*>]+(\.[^\s.*>]+)*$/;

/** What came in a batch says so in its headers; a function that hands them on does not publish into that batch. */
const withoutBatch = (headers: Headers = {}): Headers =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('Nats-Batch-')));

export const natsPublisher = ({ nc, clock = systemClock }: { nc: NatsConnection; clock?: Clock }): NatsPublisher => {
  const inFlight = requests({ nc, clock });
  const captured = capturedSubjects({ nc, clock });
  const maxBytes = () => nc.info?.max_payload ?? 1_048_576;

  const encode = ({ subject, headers }: Outgoing, extra?: Record<string, string[]>): MsgHdrs | undefined => {
    try {
      return headers || extra ? natsHeaders({ ...withoutBatch(headers), ...extra }) : undefined;
    } catch (error) {
      throw new PublishError(`${subject}: ${(error as Error).message}`, false);
    }
  };

  const store = (message: Outgoing, end: Waiting['end']) => {
    const { subject, data, messageId } = message;
    let headers: MsgHdrs | undefined;
    try {
      headers = encode(message, { 'Nats-Msg-Id': [messageId] });
    } catch (error) {
      return end(error as PublishError);
    }
    inFlight.send(subject, data, headers, (failure, answer) => {
      const ack = answer && readPubAck(answer);
      if (answer && !ack) return false;
      end(failure ?? (ack && 'error' in ack ? refusal(subject, ack.error) : undefined));
      return true;
    });
  };
  const batches = atomicBatches({ nc, clock, inFlight, encode, store, onDisabled: () => void captured.refresh().catch(() => {}) });

  const send = (message: Outgoing) => {
    const headers = encode(message);
    try {
      nc.publish(message.subject, message.data, { ...(message.reply && { reply: message.reply }), ...(headers && { headers }) });
    } catch (error) {
      throw new PublishError(`${message.subject}: ${(error as Error).message}`, nc.isClosed());
    }
  };

  /** The stream that stores it, if one does. */
  const destination = ({ subject, reply }: Outgoing): Capture | undefined => {
    if (!SUBJECT.test(subject))
      throw new PublishError(`${JSON.stringify(subject)} is no subject to publish to: it has an empty token, a space or a wildcard`, false);
    const capture = captured.by(subject);
    if (capture?.missing)
      throw new PublishError(
        `${subject}: the stream ${capture.stream}, which stores this subject, is gone or has no leader; create it again, or restart the bridge if nothing is to store it`,
        true,
      );
    if (capture && reply)
      throw new PublishError(`${subject}: a stream stores this subject, so a request cannot be sent there; remove \`reply\``, false);
    return capture;
  };

  /** Nothing is awaited between two messages, but a batch waits for the one before it. A failure that no retry can mend is the one that is told. */
  const publishAll = (messages: readonly Outgoing[]) =>
    new Promise<void>((resolve, reject) => {
      let open = 1;
      let plain = false;
      let told: PublishError | undefined;
      const end = (failure?: PublishError) => {
        if (failure && (!told || (told.retryable && !failure.retryable))) told = failure;
        open -= 1;
        if (open > 0) return;
        if (told) reject(told);
        else resolve();
      };
      const forBatches = new Map<string, Waiting[]>();
      for (const message of messages) {
        open += 1;
        try {
          const capture = destination(message);
          if (capture?.atomic) {
            const group = forBatches.get(capture.stream) ?? [];
            forBatches.set(capture.stream, group);
            group.push({ message, end });
          } else if (capture) store(message, end);
          else {
            send(message);
            plain = true;
            end();
          }
        } catch (error) {
          end(error as PublishError);
        }
      }
      for (const [stream, group] of forBatches) batches.add(stream, group);
      if (plain) inFlight.flush().then(() => end(), end);
      else end();
    });

  return {
    async publish(messages) {
      if (messages.length === 0) return;
      await captured.ready().catch((cause) => {
        throw new PublishError('the streams of the NATS server cannot be listed, so nothing can be published safely', true, { cause });
      });
      try {
        await publishAll(messages);
      } catch (error) {
        // A stream may have come or gone since the table was read.
        if ((error as PublishError).retryable) captured.refresh().catch(() => {});
        throw error;
      }
    },
    ...timers({ inFlight, clock }),
    maxBytes,
    refresh: captured.refresh,
    close() {
      captured.close();
      inFlight.close();
    },
  };
};
