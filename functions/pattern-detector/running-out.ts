/** resource_exhaustion: when CPU or memory of an agent is all used, at the pace of late (shared/detection/exhaustion.ts). Pure. */
import { type Exhaustion, exhaustion } from '#shared/detection/exhaustion.ts';
import { median } from '#shared/detection/trend.ts';
import { iso } from '#shared/iso.ts';
import type { Finding } from './episode.ts';
import type { Settings } from './settings.ts';
import { seriesOf, type Vitals } from './vitals.ts';

const RESOURCES = ['memory_usage', 'cpu_usage'] as const;
/** Shares of what there is. */
const LIMIT = 1;
const LAST = 3;

const digits = (value: number): number => Number(value.toPrecision(3));

type Series = [at: number, value: number][];

/** What follows the last time that it fell to less than half: a restart frees what was held. */
const sinceRestart = (series: Series): Series => {
  const middle = (from: number): number => median(series.slice(from, from + LAST).map(([, value]) => value));
  for (let at = series.length - LAST; at >= LAST; at--) if (middle(at) < middle(at - LAST) / 2) return series.slice(at);
  return series;
};

const leftOf = (vitals: Vitals, resource: (typeof RESOURCES)[number], horizonMs: number): Exhaustion | undefined => {
  const series = sinceRestart(seriesOf(vitals, resource));
  // What is given in other units says nothing of a share.
  return series.every(([, value]) => value <= LIMIT) ? exhaustion(series, LIMIT, horizonMs) : undefined;
};

export const exhaustionOf = (
  vitals: Vitals,
  agent: string,
  { horizon_ms, p: limit }: Settings['rules']['resource_exhaustion'],
): Finding | undefined => {
  const all = RESOURCES.map((resource) => ({ resource, left: leftOf(vitals, resource, horizon_ms) }));
  const [first] = all.flatMap(({ resource, left }) => (left && left.p <= limit ? { resource, ...left } : [])).sort((a, b) => a.at - b.at);
  if (!first) return undefined;
  const { resource, at, p, confidence, slope, level } = first;
  return {
    pattern: 'resource_exhaustion',
    agents: [agent],
    confidence,
    since: vitals.samples[0]?.[0] ?? 0,
    exhaustedAt: Math.round(at),
    summary: `${resource} of agent ${agent} reaches its limit at ${iso(Math.round(at))}`,
    evidence: { resource, level: digits(level), per_hour: digits(slope * 3_600_000), horizon_ms, p: digits(p) },
  };
};

/** Whether it does not run out any more: not within twice the horizon, unless it has already. */
export const isRelieved = (vitals: Vitals, { horizon_ms }: Settings['rules']['resource_exhaustion']): boolean =>
  RESOURCES.every((resource) => {
    const last = seriesOf(vitals, resource).slice(-LAST);
    if (last.length > 0 && median(last.map(([, value]) => value)) > 0.95 * LIMIT) return false;
    const left = leftOf(vitals, resource, 2 * horizon_ms);
    return left === undefined || left.p > 0.5;
  });
