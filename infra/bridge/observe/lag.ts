/**
 * How far a binding is behind its stream: what an autoscaler goes by. Asked of the server, so it holds too for what this
 * bridge has not been given yet.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import { type Clock, systemClock } from '#shared/clock.ts';
import type { BindingMetrics } from './metrics.ts';

const EVERY_MS = 5000;
/** Questions in flight at once. */
const AT_ONCE = 8;

export type LagBinding = { name: string; stream: string; durable: string };

export type LagOptions = {
  manager: JetStreamManager;
  /** The stream bindings that this bridge owns now. */
  bindings(): readonly LagBinding[];
  metrics: { binding(name: string): Pick<BindingMetrics, 'lag' | 'oldestAgeSeconds'> };
  clock?: Clock;
};

/**
 * Sets `lag` and `oldestAgeSeconds` of each binding, at once and every 5 s, until the returned function is called. What
 * cannot be read, or is not owned any more, has no value: a wrong one would scale the wrong way.
 */
export const watchLag = ({ manager, bindings, metrics, clock = systemClock }: LagOptions): (() => void) => {
  let shown = new Set<string>();
  let stopped = false;
  let cancel: (() => void) | undefined;

  const show = (name: string, read: Lag | undefined): void => {
    const { lag, oldestAgeSeconds } = metrics.binding(name);
    lag.set(read?.messages);
    oldestAgeSeconds.set(read?.oldestAgeSeconds);
  };
  const look = async (): Promise<void> => {
    const owned = bindings();
    const names = new Set(owned.map(({ name }) => name));
    for (const name of shown.difference(names)) show(name, undefined);
    shown = names;
    const left = owned.values();
    const lookAtSome = async () => {
      for (const binding of left) {
        const read = await readLag(manager, binding).catch(() => undefined);
        if (!stopped) show(binding.name, read);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lookAtSome));
    if (!stopped) cancel = clock.after(EVERY_MS, () => void look());
  };
  void look();
  return () => {
    stopped = true;
    cancel?.();
    for (const name of shown) show(name, undefined);
  };
};

type Lag = { messages: number; oldestAgeSeconds: number };

const readLag = async (manager: JetStreamManager, { stream, durable }: LagBinding): Promise<Lag> => {
  const { config, ts, ack_floor, num_pending, num_ack_pending } = await manager.consumers.info(stream, durable);
  const messages = num_pending + num_ack_pending;
  if (messages === 0) return { messages, oldestAgeSeconds: 0 };
  const filters = config.filter_subjects ?? [config.filter_subject ?? '>'];
  const firsts = await Promise.all(
    filters.map((next_by_subj) => {
      const query = { seq: ack_floor.stream_seq + 1, next_by_subj };
      return manager.streams.getMessage(stream, query);
    }),
  );
  const times = firsts.flatMap((message) => (message ? [message.time.getTime()] : []));
  // Both times are the server's.
  const oldestAgeSeconds = times.length > 0 ? Math.max(0, (Date.parse(ts ?? '') - Math.min(...times)) / 1000) : 0;
  return { messages, oldestAgeSeconds };
};
