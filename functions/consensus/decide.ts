/**
 * Agreement of agents on one value for each `consensus_id`: agents propose and accept; this is the memory of the acceptors, holds
 * proposers to the rules of Paxos, counts majorities, and says once what is decided. Whatever it is not sure of it refuses, which costs
 * a round and never agreement.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Alarm, type Context, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import { type Consensus, consensus, consensusRound } from '#shared/messages/consensus.ts';
import type { Received } from '#shared/messages/message.ts';
import { learned, proposed, quorum, refused } from './outputs.ts';
import type { Settings } from './settings.ts';
import {
  type Ballot,
  ballotOf,
  decided,
  lastAccepted,
  majorityOf,
  possiblePromises,
  promisedBy,
  pruned,
  type Synod,
  synodKind,
  withBallot,
} from './synod.ts';

type Event = Received<typeof consensus> | Received<typeof consensusRound>;
type Ctx = Context<Settings>;

export const decide = (synod: Synod | undefined, event: Event | Alarm, context: Ctx): Decision<Synod> => {
  if (event.message === 'alarm') return done();
  const { body } = event;
  switch (body.message_type) {
    case 'prepare':
      return synod?.learned ? tell(synod, context) : prepare(synod ?? opened(body, context), body, context);
    case 'promise':
      return synod ? promise(synod, body, context) : done();
    case 'propose':
      return synod?.learned ? tell(synod, context) : propose(synod, body, context);
    case 'accept':
      return synod ? accept(synod, body, context) : done();
    // Who asks has missed it.
    case 'learn':
      return synod?.learned ? tell(synod, context) : done();
    // Among agents: that they have acted on it.
    case 'commit':
      return done();
    default:
      throw body.message_type satisfies never;
  }
};

const opened = ({ participants, acceptors }: Consensus, { now, settings }: Ctx): Synod => {
  const named = [...new Set(participants)];
  const size = named.length > 0 ? named.length : (acceptors ?? settings.acceptors);
  return { since: now, size, acceptors: named, promised: {}, ballots: [], closed: -1 };
};

const tell = (synod: Synod, { id }: Ctx): Decision<Synod> => done({ publish: learned(id, synod) });

const prepare = (synod: Synod, { round, sender }: Consensus, { id }: Ctx): Decision<Synod> => {
  const known = ballotOf(synod, round);
  if (known && known.proposer !== sender)
    return done({
      publish: [refused(id, synod, round, sender, 'round_taken', `round ${round} is ${known.proposer}'s: take a higher one`)],
    });
  if (known) return known.bound === undefined || known.proposal ? done() : done({ publish: [quorum(id, synod, known)] });
  if (round <= synod.closed || possiblePromises(synod, round) < majorityOf(synod))
    return done({ publish: [refused(id, synod, round, sender, 'round_too_low', `round ${round} is too low: take a higher one`)] });
  return done({ state: pruned(withBallot(synod, { round, proposer: sender, promises: [], accepts: [] })) });
};

/** An acceptor, or whoever becomes one by what it says. */
const joined = (synod: Synod, agent: string): Synod | undefined => {
  if (synod.acceptors.includes(agent)) return synod;
  return synod.acceptors.length < synod.size ? { ...synod, acceptors: [...synod.acceptors, agent] } : undefined;
};

const promise = (before: Synod, { round, sender }: Consensus, { id }: Ctx): Decision<Synod> => {
  const synod = joined(before, sender);
  if (!synod || synod.learned || promisedBy(synod, sender) >= round) return done();
  const bindsTo: Synod = { ...synod, promised: { ...synod.promised, [sender]: round } };
  const known = ballotOf(synod, round);
  if (!known) return done({ state: pruned(bindsTo) });
  const ballot: Ballot = { ...known, promises: [...known.promises, sender] };
  if (known.bound !== undefined || ballot.promises.length < majorityOf(synod)) return done({ state: pruned(withBallot(bindsTo, ballot)) });
  const bound: Ballot = { ...ballot, bound: lastAccepted(synod, ballot.promises, round) };
  const after = withBallot(bindsTo, bound);
  return done({ state: pruned(after), publish: [quorum(id, after, bound)] });
};

/** JSON of a value: it is kept in the state, which has to fit an item of the table. */
const MAX_VALUE = 16_000;

const propose = (synod: Synod | undefined, { round, sender, value }: Consensus, { id }: Ctx): Decision<Synod> => {
  const ballot = synod && ballotOf(synod, round);
  const refuse = (code: string, message: string) => done<Synod>({ publish: [refused(id, synod, round, sender, code, message)] });
  if (!synod || !ballot || ballot.proposer !== sender)
    return refuse('not_prepared', `${sender} has no round ${round}: prepare a higher one`);
  if (ballot.bound === undefined)
    return refuse('no_majority', `${ballot.promises.length} of ${synod.size} have promised round ${round}: wait for a majority`);
  if (value === undefined || JSON.stringify(value).length > MAX_VALUE)
    return refuse('bad_value', `a proposal has a value of at most ${MAX_VALUE} characters: send one`);
  if (ballot.proposal && isDeepStrictEqual(ballot.proposal.value, value)) return done();
  if (ballot.proposal) return refuse('already_proposed', `round ${round} has its proposal: prepare a higher one`);
  const must = ballot.bound === null ? { value } : ballotOf(synod, ballot.bound)?.proposal;
  if (!must || !isDeepStrictEqual(must.value, value))
    return refuse('must_propose', `the value of round ${ballot.bound} may be decided already: propose that`);
  const after: Ballot = { ...ballot, proposal: { value } };
  return done({ state: withBallot(synod, after), publish: [proposed(id, after, value)] });
};

const accept = (before: Synod, { round, sender, value }: Consensus, { id, now }: Ctx): Decision<Synod> => {
  const synod = joined(before, sender);
  const ballot = synod && ballotOf(synod, round);
  if (!synod || !ballot?.proposal || ballot.accepts.includes(sender)) return done();
  const isOther = value != null && !isDeepStrictEqual(ballot.proposal.value, value);
  if (isOther || promisedBy(synod, sender) > round) return done();
  const after: Ballot = { ...ballot, accepts: [...ballot.accepts, sender] };
  if (after.accepts.length >= majorityOf(synod)) {
    const end = decided(synod, after, ballot.proposal.value, now);
    return done({ state: end, publish: learned(id, end, 'first') });
  }
  return done({ state: pruned(withBallot({ ...synod, promised: { ...synod.promised, [sender]: round } }, after)) });
};

export const synods = defineEntity({
  of: synodKind,
  accepts: [consensus, consensusRound],
  id: (event) => event.body.consensus_id,
  decide,
});
