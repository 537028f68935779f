/**
 * One decision by the single-decree synod (Lamport, The Part-Time Parliament, 1998; Paxos Made Simple, 2001): what its acceptors have
 * said, as far as it counts. It remembers for them, so an acceptor may forget all that it said. Plain data, pure.
 */
import * as z from 'zod';
import type { Kind } from '#shared/entity/kind.ts';

const round = z.int().min(0);

const ballotSchema = z.object({
  round,
  proposer: z.string(),
  promises: z.array(z.string()),
  /** Once a majority has promised: the round whose value has to be proposed again, null: none has one. */
  bound: round.nullable().optional(),
  proposal: z.object({ value: z.unknown() }).optional(),
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
  /** By round, lowest first: those that may yet be decided, or whose value somebody accepted last. */
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
  version: 1,
  // Far longer than its stream remembers a message that could open it again.
  expiresAt: ({ since, learned }) => (learned?.at ?? since) + KEEP_MS,
};

export const majorityOf = ({ size }: Pick<Synod, 'size'>): number => Math.floor(size / 2) + 1;

export const promisedBy = ({ promised }: Synod, acceptor: string): number => promised[acceptor] ?? -1;

export const ballotOf = ({ ballots }: Synod, round: number): Ballot | undefined => ballots.find((ballot) => ballot.round === round);

export const withBallot = (synod: Synod, ballot: Ballot): Synod => ({
  ...synod,
  ballots: [...synod.ballots.filter((other) => other.round !== ballot.round), ballot].sort((a, b) => a.round - b.round),
});

/** The last round in which one of these accepted, null: none did. What a majority that has promised binds its proposer to. */
export const lastAccepted = ({ ballots }: Synod, acceptors: readonly string[], below: number): number | null =>
  ballots.findLast((ballot) => ballot.round < below && ballot.accepts.some((acceptor) => acceptors.includes(acceptor)))?.round ?? null;

/** How many may still promise a round. */
export const possiblePromises = (synod: Synod, round: number): number =>
  synod.size - synod.acceptors.filter((acceptor) => promisedBy(synod, acceptor) >= round).length;

const isOpen = (synod: Synod, { round, accepts }: Ballot): boolean =>
  synod.size - synod.acceptors.filter((acceptor) => promisedBy(synod, acceptor) > round && !accepts.includes(acceptor)).length >=
  majorityOf(synod);

/** Rounds that nobody has accepted in: more at a time are a proposer that runs away. */
const MAX_EMPTY = 20;

/** Without the rounds that say nothing any more. To refuse what comes of them is always safe. */
export const pruned = (synod: Synod): Synod => {
  const last = new Set(synod.acceptors.map((acceptor) => lastAccepted(synod, [acceptor], Infinity)));
  const open = synod.ballots.filter((ballot) => last.has(ballot.round) || isOpen(synod, ballot));
  const empty = open.filter(({ accepts }) => accepts.length === 0).slice(0, -MAX_EMPTY);
  const kept = open.filter((ballot) => !empty.includes(ballot));
  if (kept.length === synod.ballots.length) return synod;
  const dropped = synod.ballots.filter((ballot) => !kept.includes(ballot)).map(({ round }) => round);
  return { ...synod, ballots: kept, closed: Math.max(synod.closed, ...dropped) };
};

/** What may have to be known of a decision is its value. */
export const decided = (synod: Synod, { round, proposer }: Ballot, value: unknown, at: number): Synod => ({
  ...synod,
  promised: {},
  ballots: [],
  learned: { round, value, proposer, at },
});
