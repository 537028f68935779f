/** Which subjects a stream stores: the subjects of all streams, read at the start and again from time to time. */
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Clock } from '#shared/clock.ts';
import { matchesFilter } from '#shared/subjects.ts';

const REFRESH_MS = 30_000;
const MAX_REMEMBERED = 10_000;

export type CapturedSubjects = {
  /** After the first `refresh`. */
  has(subject: string): boolean;
  /** Reads the streams now. Rejects when they cannot be read; the table stays as it was. */
  refresh(): Promise<void>;
  /** Resolves when the table was read at least once. */
  ready(): Promise<void>;
  close(): void;
};

export const capturedSubjects = ({ nc, clock }: { nc: NatsConnection; clock: Clock }): CapturedSubjects => {
  let filters: string[] | undefined;
  let loading: Promise<void> | undefined;
  const remembered = new Map<string, boolean>();

  const load = async () => {
    const manager = await jetstreamManager(nc, { checkAPI: false });
    const found: string[] = [];
    for await (const { config } of manager.streams.list()) if (!config.no_ack) found.push(...(config.subjects ?? []));
    filters = found;
    remembered.clear();
  };
  const refresh = () => {
    loading ??= load().finally(() => {
      loading = undefined;
    });
    return loading;
  };
  let cancel: () => void;
  const again = () => {
    cancel = clock.after(REFRESH_MS, () => {
      // A table that cannot be read now is read next time; publishing says what is wrong.
      refresh().catch(() => {});
      again();
    });
  };
  again();

  return {
    refresh,
    ready: async () => {
      if (!filters) await refresh();
    },
    has(subject) {
      const known = remembered.get(subject);
      if (known !== undefined) return known;
      const captured = (filters ?? []).some((filter) => matchesFilter(filter, subject));
      if (remembered.size >= MAX_REMEMBERED) remembered.clear();
      remembered.set(subject, captured);
      return captured;
    },
    close: () => cancel(),
  };
};
