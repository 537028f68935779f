/** Settings of elections, from variables of its environment. */
import * as z from 'zod';

const ms = z.coerce.number<string>().int();

export const settings = z
  .object({
    /** How long a leader that is not heard of stays it: three heartbeats of 5 s. */
    ELECTION_LEASE_MS: ms.min(100).default(15_000),
    /** How far any two clocks (functions, servers, leaders) may be apart: a leader is told a lease that is so much shorter. */
    ELECTION_SKEW_MS: ms.min(0).default(1000),
  })
  .refine(({ ELECTION_LEASE_MS, ELECTION_SKEW_MS }) => ELECTION_SKEW_MS * 2 <= ELECTION_LEASE_MS, {
    error: 'ELECTION_SKEW_MS leaves a leader nothing of its lease: make it at most half of ELECTION_LEASE_MS',
  })
  .transform((environment) => ({ leaseMs: environment.ELECTION_LEASE_MS, skewMs: environment.ELECTION_SKEW_MS }));

export type Settings = z.infer<typeof settings>;
