/**
 * Agreement of agents on one value for each `consensus_id`: agents propose and accept; this is the memory of the acceptors, holds
 * proposers to the rules of Paxos, counts majorities, and says once what is decided. Whatever it is not sure of it refuses, which costs
 * a round and never agreement.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Alarm, type Context, type Decision, defineEntity, done, type Output } from '#shared/entity/entity.ts';
import { type Consensus, consensus, consensusRound } from '#shared/messages/consensus.ts';
import type { Received } from '#shared/messages/message.ts';
import { canBePromised, majorityOf, promisedBy } from './majority.ts';
import { learned, prepared, proposed, quorum, refused } from './outputs.ts';
import type { Settings } from './settings.ts';
import { type Ballot, ballotOf, decided, pruned, type Synod, synodKind, withBallot } from './synod.ts';

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
  // Who says it again may not have heard what came of it.
  if (known) return done({ publish: [heardOf(id, synod, known)] });
  if (round <= synod.closed || !canBePromised(synod, round))
    return done({ publish: [refused(id, synod, round, sender, 'round_too_low', `round ${round} is too low: take a higher one`)] });
  const ballot: Ballot = { round, proposer: sender, promises: [], isProposed: false, accepts: [] };
  return done({ state: pruned(withBallot(synod, ballot)), publish: [prepared(id, ballot)] });
};

const heardOf = (id: string, synod: Synod, ballot: Ballot): Output => {
  if (ballot.isProposed) return proposed(id, synod, ballot);
  return ballot.isBound === undefined ? prepared(id, ballot) : quorum(id, synod, ballot);
};

/** An acceptor, or whoever becomes one by what it says. */
const joined = (synod: Synod, agent: string): Synod | undefined => {
  if (synod.acceptors.includes(agent)) return synod;
  return synod.acceptors.length < synod.size ? { ...synod, acceptors: [...synod.acceptors, agent] } : undefined;
};

const promise = (before: Synod, { round, sender }: Consensus, { id }: Ctx): Decision<Synod> => {
  const synod = joined(before, sender);
  if (!synod || synod.learned || promisedBy(synod, sender) >= round) return done();
  const promised: Synod = { ...synod, promised: { ...synod.promised, [sender]: round } };
  const known = ballotOf(synod, round);
  if (!known || known.isBound !== undefined) return done({ state: pruned(promised) });
  const promises = [...known.promises, sender];
  if (promises.length < majorityOf(synod)) return done({ state: pruned(withBallot(promised, { ...known, promises })) });
  const isBound = synod.proposal?.acceptedBy.some((acceptor) => promises.includes(acceptor)) ?? false;
  const ballot: Ballot = { ...known, promises: [], isBound };
  return done({ state: pruned(withBallot(promised, ballot)), publish: [quorum(id, synod, ballot)] });
};

/** JSON of a value: it is kept in the state, which has to fit an item of the table. */
const MAX_VALUE = 16_000;

const propose = (synod: Synod | undefined, { round, sender, value }: Consensus, { id }: Ctx): Decision<Synod> => {
  const ballot = synod && ballotOf(synod, round);
  const refuse = (code: string, message: string) => done<Synod>({ publish: [refused(id, synod, round, sender, code, message)] });
  if (!synod || !ballot || ballot.proposer !== sender)
    return refuse('not_prepared', `${sender} has no round ${round}: prepare a higher one`);
  if (ballot.isBound === undefined)
    return refuse('no_majority', `${ballot.promises.length} of ${synod.size} have promised round ${round}: wait for a majority`);
  if (value === undefined || JSON.stringify(value).length > MAX_VALUE)
    return refuse('bad_value', `a proposal has a value of at most ${MAX_VALUE} characters: send one`);
  const isSame = synod.proposal !== undefined && isDeepStrictEqual(synod.proposal.value, value);
  if (ballot.isProposed)
    return isSame
      ? done({ publish: [proposed(id, synod, ballot)] })
      : refuse('already_proposed', `round ${round} has its proposal: prepare a higher one`);
  if (ballot.isBound && !isSame)
    return refuse('must_propose', 'another value may be decided already: propose the one that came with the promise');
  const after: Synod = { ...synod, ...(!ballot.isBound && { proposal: { value, acceptedBy: [] } }) };
  return done({ state: withBallot(after, { ...ballot, isProposed: true }), publish: [proposed(id, after, ballot)] });
};

const accept = (before: Synod, { round, sender, value }: Consensus, { id, now }: Ctx): Decision<Synod> => {
  const synod = joined(before, sender);
  if (!synod?.proposal || promisedBy(synod, sender) > round) return done();
  const { proposal } = synod;
  const ballot = ballotOf(synod, round);
  // It may have been of this value, in a round that is not kept: it binds, and does not count.
  const isForgotten = !ballot && round <= synod.closed;
  if (!ballot?.isProposed && !isForgotten) return done();
  if (value != null && !isDeepStrictEqual(proposal.value, value)) return done();
  const acceptedBy = [...new Set([...proposal.acceptedBy, sender])];
  const accepted: Synod = { ...synod, promised: { ...synod.promised, [sender]: round }, proposal: { ...proposal, acceptedBy } };
  if (!ballot) return acceptedBy.length === proposal.acceptedBy.length ? done() : done({ state: pruned(accepted) });
  if (ballot.accepts.includes(sender)) return done();
  const after: Ballot = { ...ballot, accepts: [...ballot.accepts, sender] };
  if (after.accepts.length < majorityOf(synod)) return done({ state: pruned(withBallot(accepted, after)) });
  const end = decided(synod, after, proposal.value, now);
  return done({ state: end, publish: learned(id, end, 'first') });
};

export const synods = defineEntity({
  of: synodKind,
  accepts: [consensus, consensusRound],
  id: (event) => event.body.consensus_id,
  decide,
});
