/**
 * Elects the leader of a domain: whoever asks first while nobody leads. It leads for a lease, which its heartbeats renew; no term has
 * two leaders, and a lease ends for its leader before it ends here. While it holds, a vote gets no answer, and costs nothing unless
 * the lease is about to end.
 */
import { type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import { keyOf } from '#shared/entity/key.ts';
import { controlElectionResign } from '#shared/messages/control-coordination.ts';
import { electionHeartbeat, electionVote, leaderElection } from '#shared/messages/election.ts';
import type { Received } from '#shared/messages/message.ts';
import { ballotOf, candidateOf, type ElectionEvent, isCandidacy, isWorthWaiting, type Said, type Vote } from './ballots.ts';
import { again, become, type Change, type Ctx, elect, isLeader, isSince, leave, renew, type Step, stay, stepOf } from './change.ts';
import { type Election, electionKind, leadershipKind, ledBy, toWire, UNKNOWN } from './election.ts';
import { answered, elected, leaderIs, lost } from './outputs.ts';

export const decide = (before: Election | undefined, event: ElectionEvent, context: Ctx): Decision<Election> => {
  const step = stepOf(before ?? UNKNOWN, context);
  switch (event.message) {
    case 'electionVote':
      return vote(step, event, context);
    case 'electionHeartbeat':
      return beat(step, { agent: event.body.agent_id, ...(event.reply !== undefined && { reply: event.reply }) }, context);
    case 'leaderElection':
      return hear(step, event, context);
    case 'controlElectionResign':
      return resign(step, event, context);
    case 'alarm': {
      const waiting = before?.phase === 'held' ? before.waiting : undefined;
      // Early or stray: it still wants its alarm.
      if (step.election.phase === 'held') return done({ wakeAt: step.election.until });
      if (waiting && context.now <= waiting.patience) return elect(step, waiting, context);
      // The leader may have left without its alarm.
      return { ...stay(step), wakeAt: null };
    }
    default:
      throw event satisfies never;
  }
};

const vote = (step: Step, event: Vote, context: Ctx): Change => {
  const { election } = step;
  const ballot = ballotOf(event);
  if (context.now > ballot.patience) return stay(step);
  if (election.phase === 'free') return elect(step, ballot, context);
  if (election.leader === ballot.candidate) return election.retiring ? stay(step) : again(step, election, ballot, context);
  const waitsLonger = ballot.patience > (election.waiting?.patience ?? 0);
  return isWorthWaiting(election, ballot) && waitsLonger ? become(step, { ...election, waiting: ballot }) : stay(step);
};

/** An agent that believes to be leader and is not is told who is, so often. */
const ANNOUNCE_MS = 1000;

/** `term`: of the leader as it knows it; absent or 0: it does not say. */
const beat = (step: Step, { agent, term = 0, reply }: { agent: string; term?: number; reply?: string }, context: Ctx): Change => {
  const { election } = step;
  const { now, id, settings } = context;
  const asked = reply === undefined ? undefined : { candidate: agent, reply };
  const isOfTerm = term === 0 || term === election.term;
  if (election.phase === 'free') {
    if (election.lapsed !== agent || !isOfTerm) return stay(step);
    // Nobody else was elected since: it goes on, under a new term.
    const after = ledBy(election, agent, now, settings);
    return become(step, after, [...(asked ? [answered(id, asked, after, settings)] : []), ...elected(id, after)]);
  }
  if (election.leader === agent) return election.retiring || !isOfTerm ? stay(step) : renew(step, election, asked, context);
  if (now - election.announcedAt < ANNOUNCE_MS) return stay(step);
  return become(step, { ...election, announcedAt: now }, [leaderIs(id, election)]);
};

/** Document 000: what is said through the stream, at most a lease ago. */
const hear = (step: Step, said: Said, context: Ctx): Change => {
  const { candidate, term, message_type } = said.body;
  const { now, settings } = context;
  if (now - said.sentAt > settings.leaseMs) return stay(step);
  if (isCandidacy(said)) return stand(step, said, context);
  if (message_type === 'heartbeat') return beat(step, { agent: candidate, term }, context);
  if (message_type !== 'resign' || !isLeader(step.election, candidate)) return stay(step);
  const isMeant = term === 0 ? isSince(step.election, said.sentAt, settings) : term === step.election.term;
  return isMeant ? leave(step, step.election, 'resigned', context) : stay(step);
};

const stand = (step: Step, { body: { candidate, term } }: Said, context: Ctx): Change => {
  const { election } = step;
  if (isLeader(election, candidate) && !election.retiring) return again(step, election, { candidate }, context);
  // A term that has had its election is over.
  if (election.phase === 'held' || (term > 0 && term <= election.term))
    return become(step, election, [lost(context.id, candidate, election)]);
  return elect(step, { candidate }, context, term);
};

/** The leader gives its lease back. Somebody else may only keep it from being renewed: until it is over the leader counts on it. */
const resign = (step: Step, { body }: Received<typeof controlElectionResign>, context: Ctx): Decision<Election> => {
  const { election } = step;
  const { id } = context;
  const refused = (code: string, message: string): Change => ({ ...stay(step), reply: { error: { code, message } } });
  if (election.phase === 'free') return refused('not_found', `domain ${id} has no leader: nobody can resign`);
  if (body.agent_id !== undefined && body.agent_id !== election.leader)
    return refused('not_leader', `${body.agent_id} does not lead domain ${id}, ${election.leader} does: leave agent_id out to have it go`);
  const change = body.agent_id === undefined ? become(step, { ...election, retiring: true }) : leave(step, election, 'resigned', context);
  return { ...change, reply: { body: { election: toWire(id, change.state ?? election) } } };
};

export const elections = defineEntity({
  of: electionKind,
  accepts: [electionVote, electionHeartbeat, leaderElection, controlElectionResign],
  id: (event) => (event.message === 'controlElectionResign' ? event.body.domain : event.params.domain),
  decide,
  also: (state: Election | undefined, event: ElectionEvent) => {
    const candidate = candidateOf(state, event);
    return candidate === undefined ? [] : [keyOf(leadershipKind.kind, candidate)];
  },
});
