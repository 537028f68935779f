/** An agent's metrics of late, and what is usual for it. One item an agent, bounded at about 5 KB. Pure. */
import * as z from 'zod';
import { observe, type Stream } from '#shared/detection/change.ts';
import type { Kind } from '#shared/entity/kind.ts';
import type { Health } from '#shared/messages/supervision.ts';
import { episodeSchema } from './episode.ts';

export const METRICS = ['response_time_ms', 'error_rate', 'throughput', 'cpu_usage', 'memory_usage'] as const;
export type Metric = (typeof METRICS)[number];
/** Those that change for the worse; the others are used up. */
export const PERFORMANCE = ['response_time_ms', 'error_rate', 'throughput'] as const;
export type Performance = (typeof PERFORMANCE)[number];

/** When (epoch ms), and the values in the order of METRICS. */
const sampleSchema = z.tuple([z.number(), z.array(z.number().nullable())]);
export type Sample = z.infer<typeof sampleSchema>;

const tailSchema = z.object({
  seen: z.number(),
  quantile: z.number(),
  scale: z.number(),
  peaks: z.number(),
  mean: z.number(),
  square: z.number(),
});
const streamSchema = z.object({
  seen: z.number(),
  level: z.number(),
  spread: z.number(),
  short: z.number(),
  ofValues: tailSchema,
  ofShort: tailSchema,
});
/** The rarest shift of late: which way, how rare (-log10 p), when. */
const shiftSchema = z.object({ by: z.number(), rarity: z.number(), at: z.number() });

const vitalsSchema = z.object({
  /** Oldest first. */
  samples: z.array(sampleSchema),
  usual: z.partialRecord(z.enum(PERFORMANCE), z.object({ stream: streamSchema, shift: shiftSchema })),
  episodes: z.array(episodeSchema),
});
export type Vitals = z.infer<typeof vitalsSchema>;

export const OPEN = 'vitals.open';
const KEEP_MS = 24 * 3_600_000;

export const vitalsKind: Kind<Vitals> = {
  kind: 'vitals',
  schema: vitalsSchema,
  version: 1,
  expiresAt: ({ samples }) => (samples.at(-1)?.[0] ?? 0) + KEEP_MS,
  lookup: ({ episodes }) => (episodes.length > 0 ? OPEN : undefined),
};

const MOST_SAMPLES = 60;
/** A shift is remembered for so many samples, until the last values show whether it stays. */
const SHIFT_SAMPLES = 10;

const digits = (value: number): number => Number(value.toPrecision(4));

export const sampled = (before: Vitals | undefined, at: number, metrics: NonNullable<Health['metrics']>): Vitals => {
  const values = METRICS.map((metric) => (metrics[metric] === undefined ? null : digits(metrics[metric])));
  const samples: Sample[] = [...(before?.samples ?? []), [at, values] satisfies Sample].slice(-MOST_SAMPLES);
  const since = samples.at(-SHIFT_SAMPLES)?.[0] ?? 0;
  const usual = { ...before?.usual };
  for (const metric of PERFORMANCE) {
    const value = metrics[metric];
    if (value === undefined) continue;
    const { stream, ...seen } = observe(usual[metric]?.stream, value);
    const known = usual[metric]?.shift ?? { by: 0, rarity: 0, at: 0 };
    const rarest = known.at >= since && known.rarity > seen.rarity ? known : { by: digits(seen.by), rarity: digits(seen.rarity), at };
    usual[metric] = { stream: rounded(stream), shift: rarest };
  }
  return { samples, usual, episodes: before?.episodes ?? [] };
};

const rounded = ({ ofValues, ofShort, ...stream }: Stream): Stream => ({
  ...shortened(stream),
  ofValues: shortened(ofValues),
  ofShort: shortened(ofShort),
});
const shortened = <T extends Record<string, number>>(figures: T): T =>
  Object.fromEntries(Object.entries(figures).map(([name, figure]) => [name, Number(figure.toPrecision(6))])) as T;

/** `[when, value]` of the samples that have the metric. */
export const seriesOf = ({ samples }: Vitals, metric: Metric): [number, number][] =>
  samples.flatMap(([at, values]) => {
    const value = values[METRICS.indexOf(metric)];
    return value === null || value === undefined ? [] : [[at, value]];
  });
