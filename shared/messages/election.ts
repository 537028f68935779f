/** Leader election: the request/reply vote, whose body is the agent's id as it is, and the durable one. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { count, id, time } from './fields.ts';
import { defineMessage } from './message.ts';
import { opaque, opaqueValue, type RawBody } from './opaque.ts';

/** An id that is the whole body, quoted as JSON or not. */
const bareId = (raw: RawBody): string | undefined => {
  const value = opaqueValue(raw);
  return typeof value === 'string' ? value : typeof value === 'number' ? raw.data : undefined;
};

const named =
  (field: string) =>
  (raw: RawBody): unknown => {
    const agent = bareId(raw);
    return agent === undefined ? undefined : { [field]: agent };
  };

const voteBody = z.looseObject({ agent_id: id });
export type ElectionVote = z.infer<typeof voteBody>;

/** An answer means won, silence means lost: so whoever serves it binds it as core, for an error would be an answer. */
export const electionVote = defineMessage({
  name: 'electionVote',
  subject: subjects.electionVote,
  by: 'request',
  body: voteBody,
  fromHeaders: { agent_id: 'X-Agent-ID' },
  raw: named('agent_id'),
});

export const electionVoteResponse = defineMessage({
  name: 'electionVoteResponse',
  subject: subjects.electionVoteResponse,
  by: 'core',
  body: opaque,
});

const leaderBody = z.looseObject({
  /** null: nobody leads, and a vote may be won. */
  leader: id.nullable(),
  term: count.optional(),
  fencing_token: count.optional(),
  lease_until: time.optional(),
});
export type ElectionLeader = z.infer<typeof leaderBody>;

export const electionLeader = defineMessage({
  name: 'electionLeader',
  subject: subjects.electionLeader,
  by: 'core',
  body: leaderBody,
  raw: named('leader'),
});

/** Every 5 s from the leader: it renews the lease. */
export const electionHeartbeat = defineMessage({
  name: 'electionHeartbeat',
  subject: subjects.electionHeartbeat,
  by: 'core',
  body: voteBody,
  fromHeaders: { agent_id: 'X-Agent-ID' },
  raw: named('agent_id'),
});

const leaderElectionBody = z.looseObject({
  election_id: id.optional(),
  /** In: candidacy or request_vote, heartbeat, resign. Out: elected, ended. */
  message_type: z.string().min(1),
  candidate: id,
  term: count,
  /** Of elected and ended. */
  fencing_token: count.optional(),
});
export type LeaderElection = z.infer<typeof leaderElectionBody>;

export const leaderElection = defineMessage({
  name: 'leaderElection',
  subject: subjects.leaderElection,
  by: 'COORDINATION_MESSAGES',
  body: leaderElectionBody,
});
