/** What each message asks of an election, and how long who asks waits for it. Pure. */
import type { Alarm } from '#shared/entity/entity.ts';
import type { controlElectionResign } from '#shared/messages/control-coordination.ts';
import type { electionHeartbeat, electionVote, leaderElection } from '#shared/messages/election.ts';
import { headerOf } from '#shared/messages/headers.ts';
import type { Received } from '#shared/messages/message.ts';
import type { Ballot, Election } from './election.ts';

export type Vote = Received<typeof electionVote>;
/** By document 000. */
export type Said = Received<typeof leaderElection>;
export type Beat = Received<typeof electionHeartbeat>;
export type ElectionEvent = Vote | Said | Beat | Received<typeof controlElectionResign> | Alarm;

/** Clients of document 002 wait 2 s for the answer to a vote: it has to be with them by then. */
const PATIENCE_MS = 1500;
const MAX_PATIENCE_MS = 60_000;

/** A header `X-Deadline` says how long it waits. Who has given up would be leader without knowing it. */
export const ballotOf = ({ body, headers, reply, sentAt }: Vote): Ballot => {
  const deadline = Date.parse(headerOf(headers, 'X-Deadline') ?? '');
  const patience = Number.isNaN(deadline) ? sentAt + PATIENCE_MS : Math.min(deadline, sentAt + MAX_PATIENCE_MS);
  return { candidate: body.agent_id, patience, ...(reply !== undefined && { reply }) };
};

/** Whether the lease may end before who asks gives up. */
export const isWorthWaiting = (election: Election | undefined, { patience }: Ballot): boolean =>
  election?.phase !== 'held' || election.until <= patience;

const CANDIDACIES = ['candidacy', 'request_vote'];
export const isCandidacy = ({ body }: Said): boolean => CANDIDACIES.includes(body.message_type);

/** Who may be elected by this. */
export const candidateOf = (election: Election | undefined, event: ElectionEvent): string | undefined => {
  switch (event.message) {
    case 'electionVote': {
      const ballot = ballotOf(event);
      return isWorthWaiting(election, ballot) ? ballot.candidate : undefined;
    }
    case 'leaderElection':
      return isCandidacy(event) ? event.body.candidate : undefined;
    case 'alarm':
      return election?.phase === 'held' ? election.waiting?.candidate : undefined;
    case 'electionHeartbeat':
    case 'controlElectionResign':
      return undefined;
    default:
      throw event satisfies never;
  }
};
