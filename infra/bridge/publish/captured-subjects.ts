/** Which subjects a stream stores: the subjects of all streams, read at the start and again from time to time. */
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { type Clock, sleep } from '#shared/clock.ts';
import { matchesFilter } from '#shared/subjects.ts';

const REFRESH_MS = 30_000;
const MAX_REMEMBERED = 10_000;
/** How often, and so long apart, a stream without a leader is waited for at the start. */
const PATIENCE = 20;
const AGAIN_MS = 500;

/** The stream that captures a subject. */
export type Capture = {
  stream: string;
  /** It takes atomic batches (`allow_atomic`). */
  atomic: boolean;
  /** It is gone, or does not answer: whatever it would store waits until it is back. */
  missing?: true;
};

type Row = { filter: string; capture: Capture };

export type CapturedSubjects = {
  /** Undefined where no stream stores it. After the first `refresh`. */
  by(subject: string): Capture | undefined;
  /** Reads the streams now. Rejects when they cannot be read; the table stays as it was. */
  refresh(): Promise<void>;
  /** Resolves when the table was read at least once. */
  ready(): Promise<void>;
  close(): void;
};

export const capturedSubjects = ({ nc, clock }: { nc: NatsConnection; clock: Clock }): CapturedSubjects => {
  let table: Row[] | undefined;
  let loading: Promise<void> | undefined;
  const remembered = new Map<string, Capture | undefined>();

  const load = async () => {
    const manager = await jetstreamManager(nc, { checkAPI: false });
    let { streams, found } = await list(manager);
    // In a cluster the list leaves out a stream that has no leader, and at the start nobody knows what it stores.
    for (let n = 0; !table; n++) {
      const [leaderless] = await others(manager, streams);
      if (leaderless === undefined) break;
      if (n === PATIENCE)
        throw new Error(`the stream ${leaderless} has no leader: nothing can be published before it is known what it stores`);
      await sleep(clock, AGAIN_MS);
      ({ streams, found } = await list(manager));
    }
    const missing = (table ?? []).filter(({ capture }) => !streams.has(capture.stream));
    table = [...found, ...missing.map(({ filter, capture }) => ({ filter, capture: { ...capture, missing: true as const } }))];
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
      if (!table) await refresh();
    },
    by(subject) {
      if (remembered.has(subject)) return remembered.get(subject);
      const capture = (table ?? []).find(({ filter }) => matchesFilter(filter, subject))?.capture;
      if (remembered.size >= MAX_REMEMBERED) remembered.clear();
      remembered.set(subject, capture);
      return capture;
    },
    close: () => cancel(),
  };
};

const list = async (manager: JetStreamManager): Promise<{ streams: Set<string>; found: Row[] }> => {
  const found: Row[] = [];
  const streams = new Set<string>();
  for await (const { config } of manager.streams.list()) {
    streams.add(config.name);
    if (config.no_ack) continue;
    const capture = { stream: config.name, atomic: config.allow_atomic === true };
    for (const filter of config.subjects ?? []) found.push({ filter, capture });
  }
  return { streams, found };
};

const others = async (manager: JetStreamManager, streams: ReadonlySet<string>): Promise<string[]> => {
  const names: string[] = [];
  for await (const name of manager.streams.names()) if (!streams.has(name)) names.push(name);
  return names;
};
