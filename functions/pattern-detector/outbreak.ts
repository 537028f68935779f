/** The failures of the fleet within the window, and what has to be known of those who failed. One item, bounded. Pure. */
import * as z from 'zod';
import type { Kind } from '#shared/entity/kind.ts';
import { censusSchema } from './census.ts';
import { episodeSchema } from './episode.ts';
import { aged, counted, type Failing, failedSince, failuresOf, fitting, fleetSchema, type Gone, silentSince, slotOf } from './failing.ts';
import { type Facts, factsSchema } from './links.ts';
import { decayed, rateSchema } from './rate.ts';

export type Failed = {
  /** The same one twice is one failure. */
  key: string;
  agent: string;
  at: number;
  /** It only was not heard of. */
  silent: boolean;
};

const outbreakSchema = z.object({
  /** Of the latest failure: the window ends with it. */
  at: z.number(),
  fleet: fleetSchema,
  /** Of the last failures within the window. */
  keys: z.array(z.string()),
  /** Of the last agents among them. */
  facts: z.record(z.string(), factsSchema),
  /** How often agents failed before, by agent. */
  rates: z.record(z.string(), rateSchema),
  census: censusSchema.optional(),
  episodes: z.array(episodeSchema),
});
export type Outbreak = z.infer<typeof outbreakSchema>;

export const NO_OUTBREAK: Outbreak = { at: 0, fleet: [], keys: [], facts: {}, rates: {}, episodes: [] };

export const outbreakKind: Kind<Outbreak> = {
  kind: 'outbreak',
  schema: outbreakSchema,
  version: 2,
  // The failures of the last minute are not taken over.
  upcast: { 1: (old) => ({ ...NO_OUTBREAK, ...(old as Outbreak), facts: {} }) },
};
/** There is one. */
export const OUTBREAK = 'main';

/**
 * A storm of all of them, with ids of nine characters, is an item of about 90 KB, and 110 KB where all rates are known and it takes a whole
 * window; on a usual day it is 25 KB.
 */
const MOST_FAILING = 1000;
const MOST_KEYS = 300;
/** More than are paired: those of a partition are not. */
const MOST_FACTS = 60;
const MOST_RATES = 200;

/** With one more failure; what is older than the window then becomes part of its agent's rate. */
export const remember = (before: Outbreak, failed: Failed, facts: Facts, windowMs: number): Outbreak => {
  const at = Math.max(before.at, failed.at);
  const slotMs = slotOf(windowMs);
  const { fleet: kept, gone } = aged(before.fleet, at - windowMs, slotMs);
  const isLate = failed.at < at - windowMs;
  const told = (): Set<string> => new Set(before.episodes.flatMap(({ pattern, agents }) => (pattern === 'failure_spike' ? agents : [])));
  const fleet = isLate ? kept : fitting(counted(kept, failed, facts.zone ?? null, slotMs), MOST_FAILING, told);
  const past = isLate ? [...gone, { agent: failed.agent, at: failed.at, failures: 1 }] : gone;
  return {
    ...before,
    at,
    fleet,
    keys: [...keysOfLast(before.keys, gone.length > 0 ? failuresOf(kept) : MOST_KEYS), failed.key],
    facts: factsOfLast(fleet, { ...before.facts, [failed.agent]: facts }, gone.length > 0),
    rates: withPast(before.rates, past, windowMs),
  };
};

const keysOfLast = (keys: readonly string[], failures: number): string[] =>
  keys.slice(Math.max(keys.length - Math.min(failures, MOST_KEYS - 1), 0));

const factsOfLast = (fleet: readonly Failing[], facts: Outbreak['facts'], isOutdated: boolean): Outbreak['facts'] => {
  if (!isOutdated && Object.keys(facts).length <= MOST_FACTS) return facts;
  const last: Outbreak['facts'] = {};
  for (const [id] of fleet.slice(-MOST_FACTS)) if (facts[id]) last[id] = facts[id];
  return last;
};

const withPast = (before: Outbreak['rates'], past: readonly Gone[], windowMs: number): Outbreak['rates'] => {
  if (past.length === 0) return before;
  const rates = { ...before };
  for (const { agent, at, failures } of past) {
    const rate = decayed(rates[agent], at, windowMs);
    rates[agent] = { ...rate, events: rate.events + failures };
  }
  const all = Object.entries(rates);
  // Who is forgotten is taken for an agent that never failed before.
  if (all.length <= MOST_RATES) return rates;
  return Object.fromEntries(all.sort(([, a], [, b]) => b.events - a.events || b.at - a.at).slice(0, MOST_RATES));
};

/** Who failed, in the order of their first failures. */
export const agentsOf = ({ fleet, at }: Outbreak, windowMs: number): string[] =>
  fleet.flatMap((one) => (failedSince(one, at - windowMs, slotOf(windowMs)) ? one[0] : []));

/** Who fell silent. */
export const silentOf = ({ fleet, at }: Outbreak, windowMs: number): Failing[] =>
  fleet.filter((one) => silentSince(one, at - windowMs, slotOf(windowMs)));
