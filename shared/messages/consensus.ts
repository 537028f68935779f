/** Agreement on a value, in rounds. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, count, id } from './fields.ts';
import { defineMessage } from './message.ts';

export const MAX_ACCEPTORS = 200;

const consensusBody = z.looseObject({
  consensus_id: id,
  round: count,
  message_type: z.enum(['prepare', 'promise', 'propose', 'accept', 'learn', 'commit']),
  sender: id,
  value: z.unknown().optional(),
  /** Of the first prepare: who may promise and accept, or how many may, where they are not known by name. */
  participants: z.array(id).min(1).max(MAX_ACCEPTORS).optional(),
  acceptors: atLeastOne.max(MAX_ACCEPTORS).optional(),
});
export type Consensus = z.infer<typeof consensusBody>;

export const consensus = defineMessage({
  name: 'consensus',
  subject: subjects.consensus,
  by: 'COORDINATION_MESSAGES',
  body: consensusBody,
});

export const consensusRound = defineMessage({
  name: 'consensusRound',
  subject: subjects.consensusRound,
  by: 'COORDINATION_MESSAGES',
  body: consensusBody,
});

const resultBody = z.looseObject({
  consensus_id: id,
  round: count,
  /** prepare: promise this; promise: a majority has; propose: accept this; learn: it is decided; refused: what a proposer asked. */
  message_type: z.enum(['prepare', 'promise', 'propose', 'learn', 'refused']),
  /** Whose round it is. */
  proposer: id.optional(),
  /** Of a promise: what has to be proposed; absent: whatever the proposer likes. */
  value: z.unknown().optional(),
  code: z.string().optional(),
  message: z.string().optional(),
  /** Of a refusal: a round has to be higher than this. */
  highest_round: count.optional(),
});
export type ConsensusResult = z.infer<typeof resultBody>;

export const consensusResult = defineMessage({
  name: 'consensusResult',
  subject: subjects.consensusResult,
  by: 'COORDINATION_MESSAGES',
  body: resultBody,
});
