/**
 * Pull requests to one durable consumer. While there is room a pull always stands, so a message is handed over the moment
 * the server has it; under load a pull brings thousands, and the next one goes out while the half of them is still to come.
 */
import { type Msg, type NatsConnection, nanos, type QueuedIterator, type Status } from '@nats-io/transport-node';
import type { Clock } from '#shared/clock.ts';
import { newInbox } from '../ports/new-inbox.ts';

const MAX_OUTSTANDING = 4_000;
/** So long the server keeps a pull of a client whose connection died in silence. */
export const EXPIRES_MS = 30_000;
const HEARTBEAT_MS = 5_000;
/** What one pull may bring at most, so that a burst of large messages does not fill the memory. */
const MAX_PULL_BYTES = 16 * 1024 * 1024;

/** Why `run` ended: what the server had acknowledged before may be gone. */
export const RECONNECTED = 'the connection to NATS was lost and is back';
/** So it looks while the connection is away, too. */
export const SILENT = 'the server went silent';

export type Pulls = {
  /** Pulls until the consumer or the connection is lost; resolves with what happened. */
  run(): Promise<string>;
  /** Ends `run` with this reason: what was asked for does not come. */
  end(why: string): void;
  /** Ends `run` and the subscription. What still arrives goes to `late`. */
  stop(): Promise<void>;
};

export const pulls = ({
  nc,
  clock,
  stream,
  durable,
  sink,
  deliver,
  late,
}: {
  nc: NatsConnection;
  clock: Clock;
  stream: string;
  durable: string;
  sink: { room(): number; roomed(): Promise<void> };
  deliver(msg: Msg): void;
  /** A message that came after `stop` began. */
  late(msg: Msg): void;
}): Pulls => {
  const inbox = newInbox(nc);
  const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`;
  let outstanding = 0;
  let heardAt = 0;
  let waiting = false;
  let stopped = false;
  let lost: ((why: string) => void) | undefined;

  const topUp = () => {
    if (!lost || outstanding > MAX_OUTSTANDING / 2 || nc.isClosed()) return;
    const wanted = Math.min(sink.room(), MAX_OUTSTANDING);
    if (wanted > 0) {
      if (outstanding > wanted / 2) return;
      const batch = wanted - outstanding;
      outstanding += batch;
      const max_bytes = Math.max(MAX_PULL_BYTES, 2 * (nc.info?.max_payload ?? 0));
      const pull = { batch, max_bytes, expires: nanos(EXPIRES_MS), idle_heartbeat: nanos(HEARTBEAT_MS) };
      nc.publish(subject, JSON.stringify(pull), { reply: inbox });
    } else if (outstanding === 0 && !waiting) {
      waiting = true;
      void sink.roomed().then(() => {
        waiting = false;
        topUp();
      });
    }
  };

  /** The server says how a pull ended, or that it is alive (100). */
  const onStatus = ({ headers }: Msg) => {
    if (headers?.code === 100) return;
    const unfilled = headers?.get('Nats-Pending-Messages');
    if (!unfilled) return lost?.(headers?.description || 'the consumer does not answer');
    outstanding = Math.max(0, outstanding - Number(unfilled));
    topUp();
  };

  const subscription = nc.subscribe(inbox, {
    callback: (error, msg) => {
      if (error) return lost?.(error.message);
      heardAt = clock.now();
      if (msg.subject === inbox) return onStatus(msg);
      if (stopped) return late(msg);
      outstanding = Math.max(0, outstanding - 1);
      deliver(msg);
      topUp();
    },
  });

  const status = nc.status() as QueuedIterator<Status>;
  const watchConnection = async () => {
    for await (const { type } of status) if (type === 'reconnect') lost?.(RECONNECTED);
  };
  void watchConnection();

  const watchHeartbeat = (): (() => void) => {
    let cancel = () => {};
    const check = () => {
      if (outstanding > 0 && clock.now() - heardAt > 2.5 * HEARTBEAT_MS) lost?.(SILENT);
      else cancel = clock.after(HEARTBEAT_MS, check);
    };
    check();
    return () => cancel();
  };

  return {
    async run() {
      outstanding = 0;
      heardAt = clock.now();
      const end = new Promise<string>((resolve) => {
        lost = resolve;
      });
      const unwatch = watchHeartbeat();
      topUp();
      const why = await end;
      lost = undefined;
      unwatch();
      return why;
    },
    end: (why) => lost?.(why),
    async stop() {
      stopped = true;
      status.stop();
      lost?.('stopped');
      // Without a connection there is nothing to drain: the server has forgotten the pulls.
      await subscription.drain().catch(() => {});
    },
  };
};
