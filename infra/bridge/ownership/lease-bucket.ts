/**
 * The bucket of the bridges' leases: keys that expire unless they are written again, and writes that succeed only where
 * nobody wrote in between. The server's clock alone decides what has expired.
 */
import { JetStreamApiCodes, type JetStreamManager, jetstream, jetstreamManager, type StreamInfo } from '@nats-io/jetstream';
import { headers, type MsgHdrs, millis, type NatsConnection } from '@nats-io/transport-node';
import type { Clock } from '#shared/clock.ts';
import { isApiError } from '../ports/api-error.ts';
import { newInbox } from '../ports/new-inbox.ts';

const STREAM = 'KV_BRIDGE_LEASES';
const PREFIX = '$KV.BRIDGE_LEASES.';
const OPERATION = 'KV-Operation';
const WRONG_LAST_SEQUENCE: number[] = [JetStreamApiCodes.StreamWrongLastSequence, JetStreamApiCodes.StreamWrongLastSequenceUnknown];

/** How the server ends an answer of many messages. */
const END_OF_BATCH = 204;
const NONE = 404;

/** What a key holds; without a value where it was deleted a short while ago. */
export type Entry = { value: string | undefined; revision: number };

/** Everything rejects when the server does not answer within `renewMs`. */
export type LeaseBucket = {
  /** How often a key has to be written, ms: three may be missed. */
  renewMs: number;
  /** How long it stays from when it was written, ms. */
  lifeMs: number;
  put(key: string, value: string): Promise<void>;
  /** The new revision, or undefined where the key's last one is not `revision`; 0: the key is not there. */
  replace(key: string, value: string, revision: number): Promise<number | undefined>;
  /** Leaves the key alone where its last revision is another one. */
  remove(key: string, revision?: number): Promise<void>;
  /** A key as the stream's leader has it. */
  get(key: string): Promise<Entry | undefined>;
  /** All keys, perhaps a moment old. */
  entries(): Promise<Map<string, Entry>>;
  /** Calls back for what somebody tries to write; whether it was accepted, `entries` tells. Answers how to end it. */
  watch(written: (key: string, value: string | undefined) => void): () => void;
};

/** Rejects where the bucket is missing or cannot be read. */
export const openLeaseBucket = async (nc: NatsConnection, clock: Clock): Promise<LeaseBucket> => {
  const manager = await jetstreamManager(nc);
  const lifeMs = millis((await bucketInfo(manager)).config.max_age);
  const renewMs = Math.floor(lifeMs / 4);
  const js = jetstream(nc, { timeout: renewMs });

  const write = async (key: string, value: string | undefined, lastSubjectSequence?: number): Promise<number | undefined> => {
    const deleted = headers();
    deleted.set(OPERATION, 'DEL');
    const expect = lastSubjectSequence === undefined ? {} : { lastSubjectSequence };
    try {
      return (await js.publish(PREFIX + key, value ?? '', { expect, ...(value === undefined && { headers: deleted }) })).seq;
    } catch (error) {
      if (isApiError(error, ...WRONG_LAST_SEQUENCE)) return undefined;
      throw error;
    }
  };

  const readAll = (): Promise<Map<string, Entry>> =>
    new Promise((resolve, reject) => {
      const found = new Map<string, Entry>();
      const inbox = newInbox(nc);
      const subscription = nc.subscribe(inbox, {
        callback: (error, { headers, data }) => {
          const code = headers?.code ?? 0;
          if (code === END_OF_BATCH || code === NONE) end(() => resolve(found));
          else if (error || !headers || code !== 0) end(() => reject(error ?? new Error(headers?.description)));
          else found.set((headers.get('Nats-Subject') ?? '').slice(PREFIX.length), entryOf(headers, data, headers.get('Nats-Sequence')));
        },
      });
      const cancel = clock.after(renewMs, () => end(() => reject(new Error(`no answer within ${renewMs} ms`))));
      const end = (settle: () => void) => {
        cancel();
        subscription.unsubscribe();
        settle();
      };
      // The client's own call leaves its subscription behind, and may wait without an end.
      nc.publish(`$JS.API.DIRECT.GET.${STREAM}`, JSON.stringify({ multi_last: [`${PREFIX}>`] }), { reply: inbox });
    });

  return {
    renewMs,
    lifeMs,
    put: async (key, value) => void (await write(key, value)),
    replace: write,
    remove: async (key, revision) => void (await write(key, undefined, revision)),
    async get(key) {
      const message = await manager.streams.getMessage(STREAM, { last_by_subj: PREFIX + key });
      return message ? entryOf(message.header, message.data, message.seq) : undefined;
    },
    entries: readAll,
    watch(written) {
      const subscription = nc.subscribe(`${PREFIX}>`, {
        callback: (error, { subject, headers, data }) => {
          if (!error) written(subject.slice(PREFIX.length), textOf(headers, data));
        },
      });
      return () => subscription.unsubscribe();
    },
  };
};

const textOf = (headers: MsgHdrs | undefined, data: Uint8Array): string | undefined =>
  headers?.has(OPERATION) ? undefined : new TextDecoder().decode(data);

const entryOf = (headers: MsgHdrs, data: Uint8Array, sequence: string | number): Entry => ({
  value: textOf(headers, data),
  revision: Number(sequence),
});

const bucketInfo = async (manager: JetStreamManager): Promise<StreamInfo> => {
  try {
    return await manager.streams.info(STREAM);
  } catch (error) {
    if (!isApiError(error, JetStreamApiCodes.StreamNotFound)) throw error;
    throw new Error('the bucket BRIDGE_LEASES does not exist, so no bridge can know what is its own; create the streams first', {
      cause: error,
    });
  }
};
