/**
 * Which message a binding has in hand, alone, because it was delivered often and never answered: a note in the bucket
 * BRIDGE_STATE that outlives the process. Who finds a message in its own note knows that a process died with it; how often
 * it was delivered does not tell that, for whatever waits behind it and whatever is given back is delivered as often.
 */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import * as z from 'zod';
import { IN_HAND, PREFIX, STREAM } from './binding-state.ts';

export type InHand = {
  /** Notes the message; answers how many processes in a row died with it. */
  take(binding: string, recordId: string): Promise<number>;
  /** What became of it is known. */
  release(binding: string): Promise<void>;
};

const subjectOf = (binding: string): string => PREFIX + IN_HAND + binding;
const noteSchema = z.object({ record: z.string(), deaths: z.number() }).catch({ record: '', deaths: 0 });

export const natsInHand = async (nc: NatsConnection): Promise<InHand> => {
  const manager = await jetstreamManager(nc, { checkAPI: false });
  const js = jetstream(nc);
  return {
    async take(binding, record) {
      const before = await manager.streams.getMessage(STREAM, { last_by_subj: subjectOf(binding) });
      const note = noteSchema.parse(before?.json());
      const deaths = note.record === record ? note.deaths + 1 : 0;
      await js.publish(subjectOf(binding), JSON.stringify({ record, deaths }));
      return deaths;
    },
    async release(binding) {
      await js.publish(subjectOf(binding), '{}');
    },
  };
};
