/**
 * What operators decided about bindings: paused or not, which epoch of the consumer, and where that began. In the bucket
 * BRIDGE_STATE, under the binding's name, so that every bridge knows it and a new one begins with it.
 *
 * Bridges read the bucket every second. A watch would be a consumer to keep alive; this is right again after anything.
 */
import { JetStreamApiCodes, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import * as z from 'zod';
import { type Clock, systemClock } from '#shared/clock.ts';
import { isApiError } from '../ports/api-error.ts';

const START = z.union([
  z.enum(['all', 'new']),
  z.object({ time: z.string() }),
  z.object({ sequence: z.number(), of: z.string().exactOptional() }),
]);
const stateSchema = z.object({
  paused: z.literal(true).exactOptional(),
  /** Of the consumer that is wanted. */
  epoch: z.int().min(1).default(1),
  /** Where the consumer of this epoch begins; absent: as the settings say. */
  start: START.exactOptional(),
});
export type BindingState = z.infer<typeof stateSchema>;

export type BindingStates = {
  /** As of the last reading, at most a second old while NATS answers. */
  get(binding: string): BindingState;
  /** Resolves with the new state when it is stored. `change` may be called again: it sees what another bridge wrote meanwhile. */
  change(binding: string, change: (state: BindingState) => BindingState): Promise<BindingState>;
  /** Told of every state that is another than before. The answer ends it. */
  watch(onChange: (binding: string, state: BindingState) => void): () => void;
  close(): void;
};

/** The bucket is missing. */
export class BindingStateError extends Error {
  override name = 'BindingStateError';
}

export const STREAM = 'KV_BRIDGE_STATE';
export const PREFIX = '$KV.BRIDGE_STATE.';
/** Before the keys that are notes of what is in hand: no binding has such a name. */
export const IN_HAND = 'in-hand/';
const READ_MS = 1000;
const MAX_TRIES = 20;

/** Resolves when the states were read once. Rejects with a BindingStateError where the bucket is missing. */
export const bindingStates = async ({
  nc,
  log,
  clock = systemClock,
}: {
  nc: NatsConnection;
  log(sentence: string): void;
  clock?: Clock;
}): Promise<BindingStates> => {
  const manager = await jetstreamManager(nc, { checkAPI: false });
  const js = jetstream(nc);
  const watchers = new Set<(binding: string, state: BindingState) => void>();
  let states = new Map<string, { state: BindingState; revision: number }>();
  let closed = false;
  let cancel = () => {};

  const parse = (binding: string, text: string): BindingState => {
    try {
      // A bucket entry that was deleted is empty.
      return stateSchema.parse(text === '' ? {} : JSON.parse(text));
    } catch (error) {
      log(`the state of ${binding} in the bucket BRIDGE_STATE cannot be read and counts as none: ${(error as Error).message}`);
      return stateSchema.parse({});
    }
  };

  const get = (binding: string): BindingState => states.get(binding)?.state ?? stateSchema.parse({});

  const take = (found: typeof states) => {
    const before = states;
    states = found;
    for (const binding of new Set([...before.keys(), ...found.keys()])) {
      if ((before.get(binding)?.revision ?? 0) === (found.get(binding)?.revision ?? 0)) continue;
      for (const onChange of watchers) onChange(binding, get(binding));
    }
  };

  const read = async (): Promise<void> => {
    const found: typeof states = new Map();
    for await (const entry of await manager.direct.getLastMessagesFor(STREAM, { multi_last: [`${PREFIX}>`] })) {
      const binding = entry.subject.slice(PREFIX.length);
      if (binding.startsWith(IN_HAND)) continue;
      const known = states.get(binding);
      found.set(binding, known?.revision === entry.seq ? known : { state: parse(binding, entry.string()), revision: entry.seq });
    }
    // An answer that is older than a change made here meanwhile is no news.
    for (const [binding, known] of states) if ((found.get(binding)?.revision ?? 0) < known.revision) found.set(binding, known);
    take(found);
  };

  const again = () => {
    cancel = clock.after(READ_MS, () => {
      // NATS may be away; the next reading tells.
      read()
        .catch(() => {})
        .finally(() => {
          if (!closed) again();
        });
    });
  };

  await manager.streams.info(STREAM).catch((error) => {
    if (!isApiError(error, JetStreamApiCodes.StreamNotFound)) throw error;
    throw new BindingStateError('the bucket BRIDGE_STATE does not exist; create the streams first', { cause: error });
  });
  await read();
  again();

  return {
    get,
    async change(binding, change) {
      for (let tries = 1; ; tries++) {
        const entry = await manager.streams.getMessage(STREAM, { last_by_subj: PREFIX + binding });
        const state = change(entry ? parse(binding, entry.string()) : stateSchema.parse({}));
        try {
          const { seq } = await js.publish(PREFIX + binding, JSON.stringify(state), {
            expect: { lastSubjectSequence: entry?.seq ?? 0 },
          });
          take(new Map(states).set(binding, { state, revision: seq }));
          return state;
        } catch (error) {
          if (!isApiError(error, JetStreamApiCodes.StreamWrongLastSequence) || tries === MAX_TRIES) throw error;
        }
      }
    },
    watch(onChange) {
      watchers.add(onChange);
      return () => void watchers.delete(onChange);
    },
    close() {
      closed = true;
      cancel();
      watchers.clear();
    },
  };
};
