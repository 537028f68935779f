/**
 * The election of a domain: who leads it, and until when (leases: Gray and Cheriton 1989; terms: Raft, section 5.1). A term has one
 * leader at most. Times are epoch ms of the function's clock. Plain data, pure.
 */
import * as z from 'zod';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';
import type { Settings } from './settings.ts';

const term = z.int().min(0);
/** The last fencing token; absent: the term was it. */
const token = z.int().min(0).optional();

/** The last one who asked while the lease was about to end: it is answered if the lease ends while it still waits. */
const waitingSchema = z.object({ candidate: z.string(), reply: z.string().optional(), patience: z.number() });
export type Ballot = z.infer<typeof waitingSchema>;

const electionSchema = z.discriminatedUnion('phase', [
  /** `lapsed`: whose lease ran out. It is taken at its word when it goes on beating. */
  z.object({ phase: z.literal('free'), term, token, since: z.number(), lapsed: z.string().optional() }),
  z.object({
    phase: z.literal('held'),
    term,
    token,
    leader: z.string(),
    since: z.number(),
    until: z.number(),
    /** As the leader is told: before `until` by any clock that is not further off than the settings say. */
    leaseUntil: z.number(),
    /** It is to go: its lease is not renewed any more. */
    retiring: z.boolean(),
    /** When the leader was last announced. */
    announcedAt: z.number(),
    waiting: waitingSchema.optional(),
  }),
]);

export type Election = z.infer<typeof electionSchema>;
export type Free = Extract<Election, { phase: 'free' }>;
export type Held = Extract<Election, { phase: 'held' }>;

/** It never expires: a term must not begin again. One small item a domain. */
export const electionKind: Kind<Election> = {
  kind: 'election',
  schema: electionSchema,
  version: 1,
  lookup: () => 'election',
};

const leadershipSchema = z.object({ domains: z.array(z.string()), since: z.number() });
/** Domains that an agent was elected in, so that its end is told to them. A hint: whether it still leads them is not said here. */
export type Leadership = z.infer<typeof leadershipSchema>;

const KEEP_MS = 365 * 24 * 3_600_000;

export const leadershipKind: Kind<Leadership> = {
  kind: 'leadership',
  schema: leadershipSchema,
  version: 1,
  // What is forgotten waits for the lease.
  expiresAt: ({ since, domains }) => since + (domains.length === 0 ? 0 : KEEP_MS),
};

/** It is never behind the clock: so it grows also where a table was restored that knows less than was announced. */
export const tokenOf = ({ token, term }: Pick<Election, 'token' | 'term'>): number => token ?? term;

export const UNKNOWN: Free = { phase: 'free', term: 0, since: 0 };

/** The election as it is by now, whether its alarm rang or not. */
export const lapse = (election: Election, now: number): Election =>
  election.phase === 'held' && now >= election.until
    ? { ...vacated(election, election.until), ...(!election.retiring && { lapsed: election.leader }) }
    : election;

/** A term that a candidate names is believed up to here: what is left of the safe integers is more than can be elected. */
export const MAX_TERM = 2 ** 52;

/** `atLeast`: a term that a candidate knows of, as it may remember more than a table that was restored. */
export const ledBy = (before: Election, leader: string, now: number, { leaseMs, skewMs }: Settings, atLeast = 0): Held => ({
  phase: 'held',
  term: Math.max(before.term + 1, Math.min(atLeast, MAX_TERM)),
  token: Math.max(tokenOf(before) + 1, now),
  leader,
  since: now,
  until: now + leaseMs,
  leaseUntil: now + leaseMs - skewMs,
  retiring: false,
  announcedAt: now,
});

/** A clock that went back does not shorten what the leader was told. */
export const renewed = (election: Held, now: number, { leaseMs, skewMs }: Settings): Held => ({
  ...election,
  until: Math.max(election.until, now + leaseMs),
  leaseUntil: Math.max(election.leaseUntil, now + leaseMs - skewMs),
});

export const vacated = (election: Election, now: number): Free => ({
  phase: 'free',
  term: election.term,
  token: tokenOf(election),
  since: now,
});

/** A leader on the wire. */
export const leaseOf = (election: Held) => ({
  leader: election.leader,
  term: election.term,
  fencing_token: tokenOf(election),
  lease_until: iso(election.leaseUntil),
});

/** As operators see it. */
export const toWire = (domain: string, election: Election) => ({
  domain,
  since: iso(election.since),
  ...(election.phase === 'held'
    ? { ...leaseOf(election), retiring: election.retiring }
    : { leader: null, term: election.term, fencing_token: tokenOf(election) }),
});
