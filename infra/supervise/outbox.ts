/**
 * What must arrive, in order: each message is published until a stream has acknowledged it, under an id that makes the same one
 * twice one message. While NATS is away it waits here, bounded: of a long outage the newest are told.
 */
import { setTimeout as later } from 'node:timers/promises';
import { type JetStreamClient, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';

export type Letter = { subject: string; body: unknown };

export type Outbox = {
  /** Resolves with its sequence in the stream that acknowledged it, or with nothing when it is given up. */
  post(letter: Letter): Promise<number | undefined>;
  /** Gives up on what is not acknowledged. */
  close(): void;
};

const MOST = 1000;
/** ms */
const [ACK_MS, AGAIN_MS, TELL_MS] = [2000, 500, 60_000];

type Posted = Letter & { id: string; done(sequence: number | undefined): void };

export const createOutbox = (nc: NatsConnection, log: (sentence: string) => void): Outbox => {
  const js: JetStreamClient = jetstream(nc);
  const waiting: Posted[] = [];
  const closed = new AbortController();
  let sending = false;
  let told = Number.NEGATIVE_INFINITY;

  const complain = (subject: string, { message }: Error): void => {
    if (Date.now() - told < TELL_MS) return;
    told = Date.now();
    log(`no stream has acknowledged ${subject} (${message}): trying again; is the NATS server there, with the streams of MisterSmith?`);
  };
  const send = async ({ subject, body, id }: Posted): Promise<number | undefined> => {
    try {
      const { seq } = await js.publish(subject, JSON.stringify(body), { msgID: id, timeout: ACK_MS });
      return seq;
    } catch (error) {
      if (!closed.signal.aborted) complain(subject, error as Error);
      await later(AGAIN_MS, undefined, { signal: closed.signal }).catch(() => undefined);
      return undefined;
    }
  };
  const sendAll = async (): Promise<void> => {
    sending = true;
    for (let first = waiting[0]; first && !closed.signal.aborted; first = waiting[0]) {
      const sequence = await send(first);
      if (sequence === undefined) continue;
      first.done(sequence);
      if (waiting[0] === first) waiting.shift();
    }
    sending = false;
  };

  return {
    post: (letter) =>
      new Promise((done) => {
        if (closed.signal.aborted) return done(undefined);
        waiting.push({ ...letter, id: crypto.randomUUID(), done });
        if (waiting.length > MOST) {
          waiting.shift()?.done(undefined);
          log(`${MOST} messages wait for NATS: the oldest is dropped`);
        }
        if (!sending) void sendAll();
      }),
    close() {
      closed.abort();
      for (const { done } of waiting.splice(0)) done(undefined);
    },
  };
};
