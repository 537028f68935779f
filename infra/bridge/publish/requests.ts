/**
 * Many requests in flight over one wildcard inbox. A request costs a map entry: no subscription, timer or promise of its
 * own. That is what makes acknowledged publishing several times faster than the client library's one request a message.
 */
import {
  InvalidArgumentError,
  InvalidSubjectError,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  PermissionViolationError,
} from '@nats-io/transport-node';
import type { Clock } from '#shared/clock.ts';
import { newInbox } from '../ports/new-inbox.ts';
import { PublishError } from '../ports/ports.ts';

/** Called once with the failure, or with replies until it answers true: that one was the answer. */
export type OnReply = (failure: PublishError | undefined, reply?: Msg) => boolean | undefined;

export type Requests = {
  send(subject: string, data: string | Uint8Array, headers: MsgHdrs | undefined, onReply: OnReply): void;
  ask(subject: string, data: string | Uint8Array, headers?: MsgHdrs): Promise<Msg>;
  /** Resolves when the server has everything that was published before. */
  flush(): Promise<void>;
  close(): void;
};

const NOT_CONNECTED = 'there is no connection to NATS';

type Pending = { subject: string; expires: number; onReply: OnReply };

/** A failure to send that no second try can mend: what is sent is wrong, not the world. */
const isOurs = (error: unknown) => error instanceof InvalidArgumentError || error instanceof InvalidSubjectError;

export const requests = ({ nc, clock, timeout = 5000 }: { nc: NatsConnection; clock: Clock; timeout?: number }): Requests => {
  const inbox = `${newInbox(nc)}.`;
  const pending = new Map<string, Pending>();
  let connected = true;
  let counter = 0;
  let cancelSweep: (() => void) | undefined;

  const add = (subject: string, onReply: OnReply): string => {
    const token = (counter++).toString(36);
    pending.set(token, { subject, expires: clock.now() + timeout, onReply });
    cancelSweep ??= clock.after(timeout / 10, sweep);
    return token;
  };
  const fail = (token: string, entry: Pending, why: string, retryable = true, cause?: unknown) => {
    if (pending.delete(token)) entry.onReply(new PublishError(`${entry.subject}: ${why}`, retryable, { cause }));
  };
  // The map is in order of expiry, so a sweep looks at little more than what it removes.
  const sweep = () => {
    const now = clock.now();
    for (const [token, entry] of pending) {
      if (entry.expires > now) break;
      fail(token, entry, `no answer from the server within ${timeout} ms`);
    }
    cancelSweep = pending.size > 0 ? clock.after(timeout / 10, sweep) : undefined;
  };

  const subscription = nc.subscribe(`${inbox}*`, {
    callback: (error, msg) => {
      if (error) return;
      const token = msg.subject.slice(inbox.length);
      const entry = pending.get(token);
      if (!entry) return;
      if (msg.data.length === 0 && msg.headers?.code === 503) fail(token, entry, 'nothing answers there: its stream or JetStream is gone');
      else if (entry.onReply(undefined, msg)) pending.delete(token);
    },
  });

  const watch = async () => {
    for await (const status of nc.status()) {
      if (status.type === 'reconnect') connected = true;
      if (status.type === 'disconnect') {
        connected = false;
        for (const [token, entry] of pending) fail(token, entry, NOT_CONNECTED);
      }
      if (status.type !== 'error' || !(status.error instanceof PermissionViolationError)) continue;
      const { operation, subject } = status.error;
      for (const [token, entry] of pending)
        if (operation === 'publish' && entry.subject === subject)
          fail(token, entry, 'the server does not allow this publish', false, status.error);
    }
  };
  void watch();

  const self: Requests = {
    send(subject, data, headers, onReply) {
      const token = add(subject, onReply);
      // The client library would keep it and drop it when the connection is back.
      if (!connected) return fail(token, { subject, expires: 0, onReply }, NOT_CONNECTED);
      try {
        nc.publish(subject, data, { reply: inbox + token, ...(headers && { headers }) });
      } catch (error) {
        fail(token, { subject, expires: 0, onReply }, (error as Error).message, !isOurs(error), error);
      }
    },
    ask: (subject, data, headers) =>
      new Promise((resolve, reject) => {
        self.send(subject, data, headers, (failure, reply) => {
          if (reply) resolve(reply);
          else reject(failure);
          return true;
        });
      }),
    flush: () =>
      new Promise((resolve, reject) => {
        const token = add('the flush', (failure) => (failure ? void reject(failure) : undefined));
        const settle = (end: () => void) => pending.delete(token) && end();
        const lost = (cause: unknown) => new PublishError(NOT_CONNECTED, true, { cause });
        nc.flush().then(
          () => settle(resolve),
          (cause) => settle(() => reject(lost(cause))),
        );
      }),
    close() {
      subscription.unsubscribe();
      cancelSweep?.();
      // What a failure sends next fails at once.
      connected = false;
      for (const [token, entry] of pending) fail(token, entry, 'the bridge stops');
    },
  };
  return self;
};
