/** Settings of pattern-detector, from variables of its environment. */
import * as z from 'zod';
import { jsonSetting } from '#shared/json-setting.ts';
import type { PATTERN_TYPES } from '#shared/messages/supervision.ts';

const ms = z.coerce.number<string>().int().min(1);
const p = z.number().gt(0).lt(1);
const atLeastTwo = z.int().min(2);
const action = z.enum(['alert', 'escalate', 'recover', 'none']).default('alert');

const JSON_RULE = 'must be JSON such as {"failure_spike": {"failures": 10, "action": "escalate"}}';

/** By pattern: from when on it is one, how improbable (`p`) it has to be by chance, and what is done about it. */
const rulesSchema = z.strictObject({
  /** More than so many failures of an agent within the window. */
  failure_spike: z.strictObject({ failures: z.int().min(0).default(5), p: p.default(0.001), action }).prefault({}),
  /** So many agents that failed within the window. */
  cascading_failure: z.strictObject({ agents: atLeastTwo.default(3), p: p.default(0.05), action }).prefault({}),
  /** So many agents, and such a share of their zone, that fell silent within the window. */
  network_partition: z
    .strictObject({ agents: atLeastTwo.default(3), share: z.number().gt(0).max(1).default(0.5), p: p.default(0.01), action })
    .prefault({}),
  /** Worse than usual by such a share. */
  performance_degradation: z.strictObject({ change: z.number().gt(0).default(0.2), p: p.default(0.001), action }).prefault({}),
  /** All of it used within so long. */
  resource_exhaustion: z.strictObject({ horizon_ms: z.int().min(1).default(3_600_000), p: p.default(0.001), action }).prefault({}),
} satisfies Record<(typeof PATTERN_TYPES)[number], z.ZodType>);

/**
 * `PATTERN_WINDOW_MS`: failures so close together are looked at together; `PATTERN_QUIET_MS`: an episode is over when nothing joined it
 * for so long; `PATTERN_SAMPLE_MS`: of an agent's metrics no more than one sample in so long is looked at.
 */
export const settings = z
  .object({
    PATTERN_WINDOW_MS: ms.default(60_000),
    PATTERN_QUIET_MS: ms.default(120_000),
    PATTERN_SAMPLE_MS: z.coerce.number<string>().int().min(0).default(5000),
    PATTERN_RULES: jsonSetting(JSON_RULE).pipe(rulesSchema),
  })
  .transform((environment) => ({
    windowMs: environment.PATTERN_WINDOW_MS,
    quietMs: environment.PATTERN_QUIET_MS,
    sampleMs: environment.PATTERN_SAMPLE_MS,
    rules: environment.PATTERN_RULES,
  }));

export type Settings = z.infer<typeof settings>;
