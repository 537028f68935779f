/** Settings of health-monitor, from variables of its environment. */
import * as z from 'zod';
import { jsonSetting } from '#shared/json-setting.ts';

const number = (least: number) => z.coerce.number<string>().min(least);
const whole = (least: number) => number(least).int();

const threshold = z.strictObject({ enter: z.number(), leave: z.number() });
const rule = z
  .strictObject({ degraded: threshold, unhealthy: threshold })
  .refine(
    ({ degraded, unhealthy }) =>
      degraded.enter !== degraded.leave && Math.sign(degraded.leave - degraded.enter) === Math.sign(unhealthy.leave - unhealthy.enter),
    'must leave both levels on the same side: below where high is bad, above where low is',
  );

export type Threshold = z.infer<typeof threshold>;

const DEFAULTS = {
  cpu_usage: { degraded: { enter: 0.85, leave: 0.75 }, unhealthy: { enter: 0.97, leave: 0.9 } },
  memory_usage: { degraded: { enter: 0.85, leave: 0.75 }, unhealthy: { enter: 0.95, leave: 0.9 } },
  response_time_ms: { degraded: { enter: 2000, leave: 1500 }, unhealthy: { enter: 10_000, leave: 7000 } },
  error_rate: { degraded: { enter: 0.05, leave: 0.02 }, unhealthy: { enter: 0.25, leave: 0.15 } },
};

const THRESHOLDS_RULE =
  'must be JSON such as {"cpu_usage": {"degraded": {"enter": 0.85, "leave": 0.75}, "unhealthy": {"enter": 0.97, "leave": 0.9}}}';

const thresholds = z.strictObject(
  {
    cpu_usage: rule.nullable().default(DEFAULTS.cpu_usage),
    memory_usage: rule.nullable().default(DEFAULTS.memory_usage),
    response_time_ms: rule.nullable().default(DEFAULTS.response_time_ms),
    error_rate: rule.nullable().default(DEFAULTS.error_rate),
    throughput: rule.nullable().default(null),
  },
  { error: (issue) => (issue.code === 'invalid_type' ? THRESHOLDS_RULE : undefined) },
);

export const settings = z
  .object({
    /** An agent is suspected when its silence has this phi. */
    HEALTH_PHI: number(0.1).default(8),
    HEALTH_MIN_DEVIATION_MS: whole(1).default(100),
    HEALTH_ACCEPTABLE_PAUSE_MS: whole(0).default(3000),
    /** Of an agent that does not say, and whose rhythm is not known yet. */
    HEALTH_INTERVAL_MS: whole(1).default(30_000),
    /** The fixed rule: so many intervals, each of HEALTH_INTERVAL_MS at least. */
    HEALTH_MISSED: whole(1).default(3),
    /** An alarm that comes so late tells of ourselves. */
    HEALTH_LATE_MS: whole(1).default(5000),
    /** A metric changes an agent's level when it was beyond a threshold for so long. */
    HEALTH_DWELL_MS: whole(0).default(20_000),
    /** By metric, in its own unit; null: it is not judged. */
    HEALTH_THRESHOLDS: jsonSetting(THRESHOLDS_RULE).pipe(thresholds),
  })
  .transform((environment) => ({
    threshold: environment.HEALTH_PHI,
    minDeviationMs: environment.HEALTH_MIN_DEVIATION_MS,
    acceptablePauseMs: environment.HEALTH_ACCEPTABLE_PAUSE_MS,
    intervalMs: environment.HEALTH_INTERVAL_MS,
    missed: environment.HEALTH_MISSED,
    lateMs: environment.HEALTH_LATE_MS,
    dwellMs: environment.HEALTH_DWELL_MS,
    thresholds: environment.HEALTH_THRESHOLDS,
  }));

export type Settings = z.infer<typeof settings>;
