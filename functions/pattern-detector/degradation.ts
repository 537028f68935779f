/**
 * performance_degradation: a metric that is worse than usual by a share that matters, where a trend (Mann and Kendall) or a shift
 * (shared/detection/change.ts) says that it is no chance. Pure.
 */
import { confidenceOf } from '#shared/detection/confidence.ts';
import { median, risingTail, robustLine } from '#shared/detection/trend.ts';
import type { Episode, Finding } from './episode.ts';
import type { Settings } from './settings.ts';
import { PERFORMANCE, type Performance, seriesOf, type Vitals } from './vitals.ts';

/** Which way is worse, and below which usual value shares are of this instead. */
const WORSE: Record<Performance, { sign: 1 | -1; floor: number }> = {
  response_time_ms: { sign: 1, floor: 10 },
  error_rate: { sign: 1, floor: 0.05 },
  throughput: { sign: -1, floor: 0.1 },
};
const LEAST_SAMPLES = 20;
const LAST = 5;
/** To be worse it takes few of the last values, to be back more of them. */
const LAST_BACK = 10;
/** Trend and shift of three metrics: the best of six p-values. */
const TESTS = 6;

const digits = (value: number): number => Number(value.toPrecision(3));

/** `open`: the episode that goes on, whose metric and usual value stay. */
export const degradationOf = (
  vitals: Vitals,
  agent: string,
  { change, p: limit }: Settings['rules']['performance_degradation'],
  open: Episode | undefined,
): Finding | undefined => {
  const metrics = open ? [open.evidence.metric as Performance] : PERFORMANCE;
  const worse = metrics.map((metric) => worsened(vitals, agent, metric, change, open)).filter((finding) => finding !== undefined);
  const [worst] = worse.sort((a, b) => a.p - b.p);
  return worst && worst.p <= limit ? worst.finding : undefined;
};

const worsened = (
  vitals: Vitals,
  agent: string,
  metric: Performance,
  change: number,
  open: Episode | undefined,
): { p: number; finding: Finding } | undefined => {
  const series = seriesOf(vitals, metric);
  const [known, first] = [vitals.usual[metric], series[0]];
  if (series.length < LEAST_SAMPLES || !known || !first) return undefined;
  const { sign, floor } = WORSE[metric];
  const { stream, shift } = known;
  const earlier = series.slice(0, -LAST).map(([, value]) => value);
  const usual = open ? Number(open.evidence.usual) : stream.ofShort.peaks < LAST ? median(earlier) : stream.level;
  const now = median(series.slice(-LAST).map(([, value]) => value));
  const by = (sign * (now - usual)) / Math.max(Math.abs(usual), floor);
  // Once it is known what is rare, a trend within what is not is a rise of every day.
  const isRare = stream.ofShort.peaks < LAST || Math.abs(stream.short - stream.level) > stream.ofShort.quantile;
  const byTrend = isRare ? risingTail(series.map(([, value]) => sign * value)) : 1;
  const byShift = Math.sign(shift.by) === sign ? 10 ** -shift.rarity : 1;
  const p = Math.min(1, TESTS * Math.min(byTrend, byShift));
  if (by < change) return undefined;
  const perHour = (robustLine(series)?.slope ?? 0) * 3_600_000;
  return {
    p,
    finding: {
      pattern: 'performance_degradation',
      agents: [agent],
      confidence: confidenceOf(p),
      since: byShift < byTrend ? shift.at : first[0],
      summary: `${metric} of agent ${agent} is ${digits(now)} where ${digits(usual)} is usual`,
      evidence: { metric, now: digits(now), usual: digits(usual), change: digits(by), trend_per_hour: digits(perHour), p: digits(p) },
    },
  };
};

/** Whether the metric is back, by more than half of what it had changed at least. */
export const hasRecovered = (
  vitals: Vitals,
  { evidence, detectedAt }: Episode,
  { change }: Settings['rules']['performance_degradation'],
): boolean => {
  const metric = evidence.metric as Performance;
  const usual = Number(evidence.usual);
  const { sign, floor } = WORSE[metric];
  const after = seriesOf(vitals, metric).filter(([at]) => at > detectedAt);
  const last = after.slice(-LAST_BACK).map(([, value]) => value);
  return last.length === LAST_BACK && (sign * (median(last) - usual)) / Math.max(Math.abs(usual), floor) < change / 2;
};
