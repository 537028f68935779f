/**
 * Publishes what functions answered. Where a stream captures the subject: with a message id, until the stream has
 * acknowledged it, one by one (`store` is where an atomic batch would go out). Elsewhere: plainly, with one flush a call.
 */
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { type Clock, systemClock } from '#shared/clock.ts';
import { capturedSubjects } from './captured-subjects.ts';
import { type Outgoing, PublishError, type Publisher } from './ports.ts';
import { readPubAck, refusal } from './pub-ack.ts';
import { natsHeaders } from './record.ts';
import { requests } from './requests.ts';
import { timers } from './timers.ts';

export type NatsPublisher = Publisher & {
  /** Reads anew which subjects the streams capture. */
  refresh(): Promise<void>;
  close(): void;
};

const SUBJECT = /^[^\s.*>]+(\.[^\s.*>]+)*$/;

export const natsPublisher = ({ nc, clock = systemClock }: { nc: NatsConnection; clock?: Clock }): NatsPublisher => {
  const inFlight = requests({ nc, clock });
  const captured = capturedSubjects({ nc, clock });
  const maxBytes = () => nc.info?.max_payload ?? 1_048_576;

  const encode = ({ subject, headers }: Outgoing, extra?: Record<string, string[]>): MsgHdrs | undefined => {
    try {
      return headers || extra ? natsHeaders({ ...headers, ...extra }) : undefined;
    } catch (error) {
      throw new PublishError(`${subject}: ${(error as Error).message}`, false);
    }
  };

  const store = (message: Outgoing, end: (failure?: PublishError) => void) => {
    const { subject, data, reply, messageId } = message;
    if (reply)
      throw new PublishError(`${subject}: a stream stores this subject, so a request cannot be sent there; remove \`reply\``, false);
    inFlight.send(subject, data, encode(message, { 'Nats-Msg-Id': [messageId] }), (failure, answer) => {
      const ack = answer && readPubAck(answer);
      if (answer && !ack) return false;
      end(failure ?? (ack && 'error' in ack ? refusal(subject, ack.error) : undefined));
      return true;
    });
  };

  const send = (message: Outgoing) => {
    const headers = encode(message);
    try {
      nc.publish(message.subject, message.data, { ...(message.reply && { reply: message.reply }), ...(headers && { headers }) });
    } catch (error) {
      throw new PublishError(`${message.subject}: ${(error as Error).message}`, nc.isClosed());
    }
  };

  /** Everything goes out before anything is awaited. A failure that no retry can mend is the one that is told. */
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
      for (const message of messages) {
        open += 1;
        try {
          if (!SUBJECT.test(message.subject))
            throw new PublishError(
              `${JSON.stringify(message.subject)} is no subject to publish to: it has an empty token, a space or a wildcard`,
              false,
            );
          if (captured.has(message.subject)) {
            store(message, end);
            continue;
          }
          send(message);
          plain = true;
          end();
        } catch (error) {
          end(error as PublishError);
        }
      }
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
