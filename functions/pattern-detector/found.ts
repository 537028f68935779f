/** Which patterns the failures of the window make. Pure. */
import { cascade } from '#shared/detection/cascade.ts';
import { confidenceOf } from '#shared/detection/confidence.ts';
import { fisherTail } from '#shared/detection/hypergeometric.ts';
import type { Census } from './census.ts';
import type { Finding } from './episode.ts';
import { failuresSince, slotOf } from './failing.ts';
import { LINKS, type Linked, type LinkKind, UNKNOWN } from './links.ts';
import { agentsOf, type Failed, type Outbreak, silentOf } from './outbreak.ts';
import { spikeTail } from './rate.ts';
import type { Settings } from './settings.ts';

/** Pairs are looked at: of more agents the last that failed. */
const MOST_PAIRED = 40;

const digits = (value: number): number => Number(value.toPrecision(3));
const seconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`;

/** What the failure makes a pattern of. `held`: agents of a partition, whose silence has its explanation. */
export const found = (
  outbreak: Outbreak,
  { agent }: Failed,
  census: Census | undefined,
  { rules, windowMs }: Settings,
  held: readonly string[],
): Finding[] => {
  const spike = spikeOf(outbreak, agent, rules.failure_spike, windowMs);
  if (!census) return spike ? [spike] : [];
  const partition = partitionOf(outbreak, agent, census, rules.network_partition, windowMs);
  const explained = new Set([...held, ...(partition?.agents ?? [])]);
  const failed = agentsOf(outbreak, windowMs);
  const others = explained.size === 0 ? failed : failed.filter((id) => !explained.has(id));
  return [spike, partition, cascadeOf(outbreak, others, census, rules.cascading_failure, windowMs)].filter(
    (finding) => finding !== undefined,
  );
};

type Rules = Settings['rules'];

export const spikeOf = (
  { fleet, at, rates }: Outbreak,
  agent: string,
  rule: Rules['failure_spike'],
  windowMs: number,
): Finding | undefined => {
  const failing = fleet.find(([id]) => id === agent);
  if (!failing) return undefined;
  const { failures, since } = failuresSince(failing, at - windowMs, slotOf(windowMs));
  if (failures <= rule.failures) return undefined;
  const p = spikeTail(failures, rates[agent], since, windowMs);
  if (p > rule.p) return undefined;
  return {
    pattern: 'failure_spike',
    agents: [agent],
    confidence: confidenceOf(p),
    since,
    summary: `agent ${agent} failed more than ${rule.failures} times within ${seconds(windowMs)}`,
    evidence: { failures, window_ms: windowMs, earlier_failures: rates[agent]?.events ?? 0, p: digits(p) },
  };
};

export const partitionOf = (
  outbreak: Outbreak,
  agent: string,
  census: Census,
  rule: Rules['network_partition'],
  windowMs: number,
): Finding | undefined => {
  const zone = outbreak.fleet.find(([id]) => id === agent)?.[4];
  if (zone == null) return undefined;
  const silent = silentOf(outbreak, windowMs);
  const ofZone = silent.filter(([, , , , other]) => other === zone);
  const agents = ofZone.map(([id]) => id);
  const population = Math.max(census.agents, silent.length);
  const inZone = Math.max(census.zones[zone] ?? 0, agents.length);
  if (agents.length < rule.agents || agents.length < rule.share * inZone) return undefined;
  const chance = fisherTail({ population, marked: inZone, drawn: silent.length, hits: agents.length });
  // Any zone would have been a finding.
  const p = Math.min(1, chance * Math.max(1, Object.keys(census.zones).length));
  if (p > rule.p) return undefined;
  return {
    pattern: 'network_partition',
    agents,
    confidence: confidenceOf(p),
    since: ofZone[0]?.[1] ?? 0,
    summary: `zone ${zone} fell silent within ${seconds(windowMs)} while others did not`,
    evidence: {
      zone,
      silent: agents.length,
      zone_agents: inZone,
      silent_elsewhere: silent.length - agents.length,
      fleet: population,
      p: digits(p),
    },
  };
};

/** Each kind of link by itself: where all are siblings, dependencies still say something. */
export const cascadeOf = (
  { fleet, facts }: Outbreak,
  failed: readonly string[],
  { shares }: Census,
  rule: Rules['cascading_failure'],
  windowMs: number,
): Finding | undefined => {
  const paired = failed.slice(-MOST_PAIRED);
  const linked = new Map(paired.map((id): [string, Linked] => [id, { id, ...(facts[id] ?? UNKNOWN) }]));
  const kinds = Object.keys(LINKS) as LinkKind[];
  const spreads = kinds.map((kind) => {
    const leads = (from: string, to: string): boolean => LINKS[kind](linked.get(from) as Linked, linked.get(to) as Linked);
    return { kind, ...cascade(paired, leads, shares[kind]) };
  });
  const [best] = spreads.sort((a, b) => a.p - b.p);
  const p = best ? Math.min(1, best.p * kinds.length) : 1;
  if (!best || best.agents.length < rule.agents || p > rule.p) return undefined;
  return {
    pattern: 'cascading_failure',
    agents: best.agents,
    confidence: confidenceOf(p),
    since: fleet.find(([id]) => id === best.origin)?.[1] ?? 0,
    origin: best.origin,
    summary: `failures spread from agent ${best.origin} within ${seconds(windowMs)}`,
    evidence: { link: best.kind, failed: failed.length, spread_to: best.agents.length - 1, linked_pairs: shares[best.kind], p: digits(p) },
  };
};
