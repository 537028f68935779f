/** The failures of the fleet within the window, and what has to be known of those who failed. One item, bounded. Pure. */
import * as z from 'zod';
import type { Kind } from '#shared/entity/kind.ts';
import { censusSchema } from './census.ts';
import { episodeSchema } from './episode.ts';
import { type Facts, factsSchema } from './links.ts';
import { decayed, rateSchema } from './rate.ts';

const failedSchema = z.object({
  /** The same one twice is one failure. */
  key: z.string(),
  agent: z.string(),
  at: z.number(),
  /** It only was not heard of. */
  silent: z.boolean(),
});
export type Failed = z.infer<typeof failedSchema>;

const outbreakSchema = z.object({
  /** In the order of their times. */
  recent: z.array(failedSchema),
  /** Of the agents among them. */
  facts: z.record(z.string(), factsSchema),
  /** How often agents failed before, by agent. */
  rates: z.record(z.string(), rateSchema),
  census: censusSchema.optional(),
  episodes: z.array(episodeSchema),
});
export type Outbreak = z.infer<typeof outbreakSchema>;

export const outbreakKind: Kind<Outbreak> = { kind: 'outbreak', schema: outbreakSchema, version: 1 };
/** There is one. */
export const OUTBREAK = 'main';
export const NO_OUTBREAK: Outbreak = { recent: [], facts: {}, rates: {}, episodes: [] };

/** About 40 KB when all of it is there. */
const MOST_RECENT = 300;
const MOST_RATES = 200;

/** With one more failure; what is older than the window then becomes part of its agent's rate. */
export const remember = (before: Outbreak, failed: Failed, facts: Facts, windowMs: number): Outbreak => {
  const all = [...before.recent, failed].sort((a, b) => a.at - b.at);
  const from = Math.max((all.at(-1) as Failed).at - windowMs, 0);
  const recent = all.filter(({ at }) => at >= from).slice(-MOST_RECENT);
  const gone = all.slice(0, all.length - recent.length);
  const known = { ...before.facts, [failed.agent]: facts };
  for (const { agent } of gone) if (!recent.some((one) => one.agent === agent)) delete known[agent];
  return { ...before, recent, facts: known, rates: counted(before.rates, gone, windowMs) };
};

const counted = (before: Outbreak['rates'], gone: readonly Failed[], windowMs: number): Outbreak['rates'] => {
  if (gone.length === 0) return before;
  const rates = { ...before };
  for (const { agent, at } of gone) {
    const rate = decayed(rates[agent], at, windowMs);
    rates[agent] = { ...rate, events: rate.events + 1 };
  }
  // Who is forgotten is taken for an agent that never failed before.
  for (let over = Object.keys(rates).length - MOST_RATES; over > 0; over--) delete rates[rarest(rates)];
  return rates;
};

const rarest = (rates: Outbreak['rates']): string => {
  let [id, least] = ['', { events: Infinity, at: Infinity }];
  for (const [other, rate] of Object.entries(rates))
    if (rate.events < least.events || (rate.events === least.events && rate.at < least.at)) [id, least] = [other, rate];
  return id;
};

/** Who failed, in the order of their first failures; `silent`: only those who fell silent. */
export const agentsOf = ({ recent }: Pick<Outbreak, 'recent'>, silent = false): string[] => [
  ...new Set(recent.filter((failed) => !silent || failed.silent).map(({ agent }) => agent)),
];
