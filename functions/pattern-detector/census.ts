/** What the fleet as a whole is like, against which a few failures are held: how large it and its zones are, how many pairs are linked. */
import * as z from 'zod';
import type { Reader } from '#shared/entity/reader.ts';
import { type Agent, agentKind } from '#shared/registry/agent.ts';
import { isMember } from '#shared/registry/lifecycle.ts';
import { type Places, readPlaces } from '#shared/supervision/tree.ts';
import { factsOf, LINKS, type Linked } from './links.ts';

export const censusSchema = z.object({
  at: z.number(),
  agents: z.number(),
  /** Agents by zone. */
  zones: z.record(z.string(), z.number()),
  /** Of all ordered pairs of agents, how many are linked, by kind of link. */
  shares: z.object({ dependency: z.number(), tree: z.number() }),
});
export type Census = z.infer<typeof censusSchema>;

export const CENSUS_EVERY_MS = 300_000;
const MOST_AGENTS = 5000;
const MOST_ZONES = 100;
/** Agents whose pairs are looked at. */
const SAMPLE = 150;

/** Reads the whole registry: only where several agents fail within the window, and not more often than every five minutes. */
export const readCensus = async (reader: Reader, at: number): Promise<Census> => {
  const ids = await reader.lookup(agentKind, agentKind.kind, { limit: MOST_AGENTS });
  const agents = [...(await reader.load(agentKind, ids)).values()].filter(({ lifecycle }) => isMember(lifecycle));
  const every = Math.ceil(agents.length / SAMPLE);
  const sample = agents.filter((_, n) => n % every === 0);
  const where = await readPlaces(
    reader,
    sample.map(({ profile }) => profile.agent_id),
  );
  return censusOf(agents, sample, where, at);
};

export const censusOf = (agents: readonly Agent[], sample: readonly Agent[], where: Places, at: number): Census => {
  const zones = Map.groupBy(agents, ({ profile }) => profile.zone ?? '');
  zones.delete('');
  const largest = [...zones].map(([zone, { length }]) => [zone, length] as const).sort(([, a], [, b]) => b - a);
  const facts = sample.map(({ profile }) => ({ id: profile.agent_id, ...factsOf(profile, where) }));
  return {
    at,
    agents: agents.length,
    zones: Object.fromEntries(largest.slice(0, MOST_ZONES)),
    shares: { dependency: shareOf(facts, LINKS.dependency), tree: shareOf(facts, LINKS.tree) },
  };
};

/** Never none and never all: the sample is not the fleet. */
const shareOf = (facts: readonly Linked[], leads: (from: Linked, to: Linked) => boolean): number => {
  let linked = 0;
  for (const from of facts) for (const to of facts) if (from !== to && leads(from, to)) linked++;
  return Number(((linked + 0.5) / (facts.length * Math.max(facts.length - 1, 0) + 1)).toPrecision(4));
};
