/** When a connection was last made again: what was said while it was away is lost to plain subscriptions. */
import type { NatsConnection } from '@nats-io/transport-node';
import type { Clock } from '#shared/clock.ts';

type Reconnected = { /** Epoch ms; 0: it was not lost. */ at: number };

const watched = new WeakMap<NatsConnection, Reconnected>();

/** One watcher a connection, from the first call until the connection closes. */
export const reconnected = (nc: NatsConnection, clock: Clock): Readonly<Reconnected> => {
  const known = watched.get(nc);
  if (known) return known;
  const last: Reconnected = { at: 0 };
  watched.set(nc, last);
  void watch(nc, last, clock);
  return last;
};

const watch = async (nc: NatsConnection, last: Reconnected, clock: Clock): Promise<void> => {
  for await (const { type } of nc.status()) if (type === 'reconnect') last.at = clock.now();
};
