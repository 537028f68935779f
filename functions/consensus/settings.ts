/** Settings of consensus, from variables of its environment. */
import * as z from 'zod';
import { MAX_ACCEPTORS } from '#shared/messages/consensus.ts';

export const settings = z
  .object({
    /** Of a consensus whose first message does not say who its acceptors are: so many, those who promise first. */
    CONSENSUS_ACCEPTORS: z.coerce.number<string>().int().min(1).max(MAX_ACCEPTORS).default(3),
  })
  .transform((environment) => ({ acceptors: environment.CONSENSUS_ACCEPTORS }));

export type Settings = z.infer<typeof settings>;
