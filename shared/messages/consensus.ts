/** Agreement on a value, in rounds. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { count, id } from './fields.ts';
import { defineMessage } from './message.ts';

const consensusBody = z.looseObject({
  consensus_id: id,
  round: count,
  message_type: z.enum(['prepare', 'promise', 'propose', 'accept', 'learn', 'commit']),
  sender: id,
  value: z.unknown().optional(),
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
