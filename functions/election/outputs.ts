/** What an election says, and to whom. Pure. */
import type { Output } from '#shared/entity/entity.ts';
import { electionLeader, electionVoteResponse, leaderElection } from '#shared/messages/election.ts';
import { output } from '#shared/messages/message.ts';
import { type Election, type Held, leaseOf, tokenOf } from './election.ts';
import type { Settings } from './settings.ts';

/** Who leads by now. */
export const leaderIs = (domain: string, election: Held): Output => output(electionLeader, { domain }, leaseOf(election));

/** The same of every term, so that what is said twice can be told. */
const electionId = (domain: string, term: number): string => `${domain}-${term}`;

const recorded = (domain: string, message_type: 'elected' | 'ended', candidate: string, election: Election): Output => {
  const { term } = election;
  const election_id = electionId(domain, term);
  return output(leaderElection, { domain }, { election_id, message_type, candidate, term, fencing_token: tokenOf(election) });
};

/** A new leader: to all, and for the record. */
export const elected = (domain: string, election: Held): Output[] => [
  leaderIs(domain, election),
  recorded(domain, 'elected', election.leader, election),
];

export type EndReason = 'expired' | 'stopped' | 'crashed' | 'resigned';

/** Nobody leads: whoever wants to may ask now. */
export const ended = (domain: string, election: Election, leader: string, reason: EndReason): Output[] => [
  output(electionLeader, { domain }, { leader: null, term: election.term, fencing_token: tokenOf(election), reason }),
  recorded(domain, 'ended', leader, election),
];

/**
 * To whoever leads, where it asked. `lease_ms` counts from when it asked, by its own clock, so that it need not know what time it is
 * elsewhere.
 */
export const answered = (
  domain: string,
  { candidate, reply }: { candidate: string; reply?: string | undefined },
  election: Held,
  settings: Settings,
): Output => {
  const body = { ...leaseOf(election), lease_ms: settings.leaseMs - settings.skewMs };
  return reply === undefined ? responded(domain, candidate, { won: true, ...body }) : { subject: reply, body };
};

/** Only to those who asked through a stream: of a vote silence says it. */
export const lost = (domain: string, candidate: string, election: Election): Output =>
  responded(domain, candidate, {
    won: false,
    ...(election.phase === 'held' ? leaseOf(election) : { leader: null, term: election.term, fencing_token: tokenOf(election) }),
  });

const responded = (domain: string, agent_id: string, body: object): Output =>
  output(electionVoteResponse, { domain, agent_id }, { data: JSON.stringify(body), encoding: 'utf8' });
