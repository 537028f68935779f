/**
 * Degraded and unhealthy, from metrics: a Schmitt trigger for each. A level is entered at one threshold and left at another,
 * and only after the metric was there for the dwell, so that one that swings around a threshold is told once. Pure.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Health, type Level, METRICS, type Metric, type MetricState, worst } from './health.ts';
import type { Settings, Threshold } from './settings.ts';

export type Values = Partial<Record<Metric, number>>;

/** Those of them that are judged, of whatever a message says. */
export const valuesOf = (said: Record<string, unknown> | undefined): Values =>
  Object.fromEntries(METRICS.flatMap((name) => (Number.isFinite(said?.[name]) ? [[name, said?.[name] as number]] : [])));

/** The metrics' levels after `values` at a time (epoch ms). `mayBegin`: whether a change of level may begin now. */
export const judge = (before: Health['metrics'], values: Values, at: number, mayBegin: boolean, settings: Settings): Health['metrics'] => {
  const after = { ...before };
  for (const [name, value] of Object.entries(values) as [Metric, number][]) {
    const rule = settings.thresholds[name];
    if (!rule) continue;
    const metric = before[name] ?? { level: 'healthy' };
    const next = step(metric, aim(value, metric.pending?.level ?? metric.level, rule), at, settings.dwellMs);
    if (next.pending && !metric.pending && !mayBegin) continue;
    if (next.level === 'healthy' && !next.pending) delete after[name];
    else after[name] = next;
  }
  return isDeepStrictEqual(before, after) ? before : after;
};

export const levelOf = (metrics: Health['metrics']): Level => worst(Object.values(metrics).map(({ level }) => level));

type Rule = { degraded: Threshold; unhealthy: Threshold };

/** Where a metric wants to be that is, or is about to be, at a level. */
const aim = (value: number, from: Level, { degraded, unhealthy }: Rule): Level => {
  if (isBeyond(value, unhealthy, from === 'unhealthy')) return 'unhealthy';
  return isBeyond(value, degraded, from !== 'healthy') ? 'degraded' : 'healthy';
};

/** A threshold whose `leave` is the larger one is for a metric that is bad when it is low. */
const isBeyond = (value: number, { enter, leave }: Threshold, inside: boolean): boolean => {
  const limit = inside ? leave : enter;
  return enter < leave ? value <= limit : value >= limit;
};

const step = ({ level, pending }: MetricState, wanted: Level, at: number, dwellMs: number): MetricState => {
  if (wanted === level) return { level };
  const since = pending?.level === wanted ? pending.since : at;
  return at - since >= dwellMs ? { level: wanted } : { level, pending: { level: wanted, since } };
};

/** How far the worst of them is on its way from well to unhealthy, 0 to 1. */
export const impactOf = (values: Values, { thresholds }: Settings): number => {
  const shares = (Object.entries(values) as [Metric, number][]).map(([name, value]) => {
    const rule = thresholds[name];
    return rule ? (value - rule.degraded.leave) / (rule.unhealthy.enter - rule.degraded.leave) : 0;
  });
  return Math.round(100 * Math.min(1, Math.max(0, ...shares))) / 100;
};

/** One sentence a metric that is worse than healthy. */
export const symptomsOf = (metrics: Health['metrics'], values: Values, { thresholds }: Settings): string[] =>
  (Object.entries(metrics) as [Metric, MetricState][]).flatMap(([name, { level }]) => {
    if (level === 'healthy') return [];
    const value = values[name];
    const limit = thresholds[name]?.[level].enter;
    return [`${name} ${value === undefined ? `is ${level}` : `is ${value}, ${level} from ${limit}`}`];
  });
