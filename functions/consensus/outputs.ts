/** What a consensus says. Pure. */
import type { Output } from '#shared/entity/entity.ts';
import { type ConsensusResult, consensus, consensusResult } from '#shared/messages/consensus.ts';
import { output } from '#shared/messages/message.ts';
import type { Ballot, Synod } from './synod.ts';

const NAME = 'consensus';

const result = (consensus_id: string, body: Partial<ConsensusResult> & Pick<ConsensusResult, 'round' | 'message_type'>): Output =>
  output(consensusResult, { consensus_id }, { ...body, consensus_id });

type Numbered = Pick<Ballot, 'round' | 'proposer'>;

/** To the acceptors, wherever they are: a round that may be promised. */
export const prepared = (id: string, { round, proposer }: Numbered): Output => result(id, { round, message_type: 'prepare', proposer });

/** A majority has promised: its proposer may propose, and what. */
export const quorum = (id: string, { proposal }: Synod, { round, proposer, isBound }: Ballot): Output =>
  result(id, { round, message_type: 'promise', proposer, ...(isBound && proposal && { value: proposal.value }) });

/** To the acceptors: this proposal is sound. */
export const proposed = (id: string, { proposal }: Synod, { round, proposer }: Numbered): Output =>
  result(id, { round, message_type: 'propose', proposer, value: proposal?.value });

/** `first`: in the words of document 000, too, once. */
export const learned = (id: string, { learned }: Synod, when?: 'first'): Output[] => {
  if (!learned) return [];
  const { round, value, proposer } = learned;
  const told = result(id, { round, message_type: 'learn', proposer, value });
  if (when !== 'first') return [told];
  return [output(consensus, { consensus_id: id }, { consensus_id: id, round, message_type: 'learn', sender: NAME, value }), told];
};

export const refused = (id: string, synod: Synod | undefined, round: number, proposer: string, code: string, message: string): Output => {
  const rounds = synod ? [synod.closed, ...Object.values(synod.promised), ...synod.ballots.map((ballot) => ballot.round)] : [];
  return result(id, { round, message_type: 'refused', proposer, code, message, highest_round: Math.max(0, ...rounds) });
};
