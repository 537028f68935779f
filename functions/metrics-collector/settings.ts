/** Settings of metrics-collector, from variables of its environment. */
import * as z from 'zod';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const NAMES_RULE = 'must be a list such as current_load,response_time_ms';
const howLong = z.coerce.number<string>().positive();

/**
 * `METRICS_KEEP_*`: how long buckets are kept. `METRICS_EMF`: what CloudWatch gets: nothing (`off`), components and all agents
 * together (`fleet`), or every agent, too (`agents`). `METRICS_EMF_NAMES`: the metrics of agents that it gets.
 */
export const settings = z
  .object({
    METRICS_KEEP_10S_HOURS: howLong.default(3),
    METRICS_KEEP_1M_DAYS: howLong.default(3),
    METRICS_KEEP_1H_DAYS: howLong.default(90),
    METRICS_EMF: z.enum(['off', 'fleet', 'agents']).default('fleet'),
    METRICS_EMF_NAMES: z
      .string()
      .regex(/^([\w-]+(,[\w-]+)*)?$/, { error: NAMES_RULE })
      .default('current_load,response_time_ms,error_rate,throughput,cpu_usage,memory_usage'),
  })
  .transform((environment) => ({
    keepMs: {
      '10s': environment.METRICS_KEEP_10S_HOURS * HOUR_MS,
      '1m': environment.METRICS_KEEP_1M_DAYS * DAY_MS,
      '1h': environment.METRICS_KEEP_1H_DAYS * DAY_MS,
    },
    emf: { detail: environment.METRICS_EMF, names: environment.METRICS_EMF_NAMES.split(',').filter(Boolean) },
  }));

export type Settings = z.infer<typeof settings>;
