/** What is known of an agent's health. Plain data; times are epoch ms. */
import * as z from 'zod';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';

/** The better first. */
export const LEVELS = ['healthy', 'degraded', 'unhealthy'] as const;
export const METRICS = ['cpu_usage', 'memory_usage', 'response_time_ms', 'error_rate', 'throughput'] as const;

const level = z.enum(LEVELS);
const metricSchema = z.object({
  level,
  /** Where the metric has been since, and the level follows after the dwell. */
  pending: z.object({ level, since: z.number() }).optional(),
});

const healthSchema = z.object({
  /** unwatched: its silence is no news, because it stopped or was never heard to beat. */
  watch: z.enum(['unwatched', 'alive', 'suspect', 'unresponsive']),
  /** Since when. */
  since: z.number(),
  /** The last sign of life that was written down: of one that is alive it may be 150 s older than the last one. */
  lastSeen: z.number(),
  /** The interval of its heartbeats as it says. */
  intervalMs: z.number().optional(),
  /** As measured when it was last written down. */
  rhythm: z.object({ intervals: z.number(), mean_ms: z.number(), deviation_ms: z.number() }).optional(),
  instanceId: z.string().optional(),
  stoppedAt: z.number().optional(),
  /** What was last told of it, by this function or by the agent itself. */
  reported: z.enum([...LEVELS, 'unresponsive']),
  /** What the agent says of itself. */
  declared: level,
  /** Metrics that are, or may soon be, worse than healthy. */
  metrics: z.partialRecord(z.enum(METRICS), metricSchema),
});

export type Level = z.infer<typeof level>;
export type Metric = (typeof METRICS)[number];
export type MetricState = z.infer<typeof metricSchema>;
export type Health = z.infer<typeof healthSchema>;

const KEEP_MS = 8 * 24 * 3_600_000;

export const healthKind: Kind<Health> = {
  kind: 'health',
  schema: healthSchema,
  version: 1,
  expiresAt: ({ watch, lastSeen }) => (watch === 'alive' || watch === 'suspect' ? undefined : lastSeen + KEEP_MS),
};

export const worst = (levels: readonly Level[]): Level => LEVELS[Math.max(0, ...levels.map((one) => LEVELS.indexOf(one)))] ?? 'healthy';

/** As operators see it. */
export const toWire = (agentId: string, health: Health) => ({
  agent_id: agentId,
  state: health.reported,
  watch: health.watch,
  since: iso(health.since),
  last_seen: iso(health.lastSeen),
  declared: health.declared,
  ...(health.intervalMs !== undefined && { interval_ms: health.intervalMs }),
  ...(health.rhythm && { rhythm: health.rhythm }),
  metrics: Object.fromEntries(
    Object.entries(health.metrics).map(([name, { level, pending }]) => [
      name,
      { level, ...(pending && { pending: pending.level, pending_since: iso(pending.since) }) },
    ]),
  ),
});
