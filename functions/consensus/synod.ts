/**
 * One decision by the single-decree synod (Lamport, The Part-Time Parliament, 1998; Paxos Made Simple, 2001): what its acceptors have
 * said, as far as it counts. It remembers for them, so an acceptor may forget all that it said. Plain data, pure.
 *
 * Only rounds that a majority may yet accept are kept. Those of them that have a proposal have the same one: a round is proposed after
 * a majority has promised it, and whoever is not bound by that majority to the proposal before knows that no majority can accept it
 * any more. So one value is kept for all of them, and who has accepted it in any.
 */
import * as z from 'zod';
import type { Kind } from '#shared/entity/kind.ts';
import { isOpen } from './majority.ts';
import { upcastFromFirst } from './upcast.ts';

const round = z.int().min(0);

const ballotSchema = z.object({
  round,
  proposer: z.string(),
  /** Until a majority has promised. */
  promises: z.array(z.string()),
  /** Once a majority has: whether the proposal of the synod has to be made again. */
  isBound: z.boolean().optional(),
  isProposed: z.boolean(),
  accepts: z.array(z.string()),
});
export type Ballot = z.infer<typeof ballotSchema>;

const synodSchema = z.object({
  since: z.number(),
  /** How many acceptors there are, and those that are known by name: until all are, whoever promises or accepts joins. */
  size: z.int().min(1),
  acceptors: z.array(z.string()),
  /** Of each acceptor: the highest round that it promised or accepted in. */
  promised: z.record(z.string(), round),
  proposal: z.object({ value: z.unknown(), acceptedBy: z.array(z.string()) }).optional(),
  /** By round, lowest first: those that may yet be decided. */
  ballots: z.array(ballotSchema),
  /** No round up to here is opened any more. */
  closed: z.int(),
  learned: z.object({ round, value: z.unknown(), proposer: z.string(), at: z.number() }).optional(),
});
export type Synod = z.infer<typeof synodSchema>;

const KEEP_MS = 30 * 24 * 3_600_000;

export const synodKind: Kind<Synod> = {
  kind: 'consensus',
  schema: synodSchema,
  version: 2,
  upcast: { 1: upcastFromFirst },
  // Far longer than its stream remembers a message that could open it again.
  expiresAt: ({ since, learned }) => (learned?.at ?? since) + KEEP_MS,
};

export const ballotOf = ({ ballots }: Synod, round: number): Ballot | undefined => ballots.find((ballot) => ballot.round === round);

export const withBallot = (synod: Synod, ballot: Ballot): Synod => ({
  ...synod,
  ballots: [...synod.ballots.filter((other) => other.round !== ballot.round), ballot].sort((a, b) => a.round - b.round),
});

/** Rounds that somebody accepted in, and others: more of a sort at a time are proposers that run away from each other. */
const MAX_OF_A_SORT = 20;

/** Without the rounds that nobody can decide any more, and the oldest of too many. To refuse what comes of them is always safe. */
export const pruned = (synod: Synod): Synod => {
  const open = synod.ballots.filter((ballot) => isOpen(synod, ballot));
  const surplus = [true, false].flatMap((isAccepted) =>
    open.filter(({ accepts }) => accepts.length > 0 === isAccepted).slice(0, -MAX_OF_A_SORT),
  );
  const kept = open.filter((ballot) => !surplus.includes(ballot));
  if (kept.length === synod.ballots.length) return synod;
  const dropped = synod.ballots.filter((ballot) => !kept.includes(ballot)).map(({ round }) => round);
  return { ...synod, ballots: kept, closed: Math.max(synod.closed, ...dropped) };
};

/** What may have to be known of a decision is its value. */
export const decided = ({ proposal: _, ...synod }: Synod, { round, proposer }: Ballot, value: unknown, at: number): Synod => ({
  ...synod,
  promised: {},
  ballots: [],
  learned: { round, value, proposer, at },
});
