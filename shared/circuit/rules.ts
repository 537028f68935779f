/** When a circuit opens and closes: resilience4j's terms, and document 000's `failure_threshold` and `half_open_max_calls`. Pure. */
import * as z from 'zod';
import { jsonSetting } from '#shared/json-setting.ts';

const percent = z.number().gt(0).max(100);
const ms = z.number().int().min(1);
const atLeastOne = z.number().int().min(1);

const rulesSchema = z.strictObject({
  /** It opens when so many percent of the calls in the window failed ... */
  failure_rate_threshold: percent.default(50),
  /** ... or so many were slow ... */
  slow_call_rate_threshold: percent.default(100),
  /** ... and there were at least so many calls ... */
  minimum_number_of_calls: atLeastOne.default(20),
  /** ... or when so many failed in a row, however long that took. */
  failure_threshold: atLeastOne.default(10),
  /** A call that took so long was slow, whatever its report says. */
  slow_call_duration_threshold_ms: ms.default(60_000),
  /** Seconds. The window slides a second at a time. */
  sliding_window_size: z.number().int().min(1).max(300).default(10),
  /** How long it stays open the first time; each further opening multiplies it, up to the maximum. */
  wait_duration_in_open_state_ms: ms.default(30_000),
  wait_duration_multiplier: z.number().min(1).max(10).default(2),
  max_wait_duration_in_open_state_ms: ms.default(600_000),
  /** Half-open: so many calls the whole fleet may try, and all of them decide. */
  half_open_max_calls: z.number().int().min(1).max(1000).default(3),
  /** Half-open: for so long their reports are waited for before there are new permits; that wait grows, too. */
  max_wait_duration_in_half_open_state_ms: ms.default(60_000),
});

export type Rules = z.infer<typeof rulesSchema>;

export const DEFAULT_RULES: Rules = rulesSchema.parse({});

export type CircuitSettings = { others: Rules; services: ReadonlyMap<string, Rules> };

const JSON_RULE = 'must be JSON such as {"*": {"minimum_number_of_calls": 50}, "ocr": {"half_open_max_calls": 1}}';

const explicit = z.record(z.string(), z.record(z.string(), z.unknown()), { error: JSON_RULE });

/** `CIRCUIT_RULES`: rules by service as JSON; `*` are those of all services, where a service has none of its own. */
export const settings = z
  .object({ CIRCUIT_RULES: jsonSetting(JSON_RULE).pipe(explicit) })
  .transform(({ CIRCUIT_RULES: { '*': common = {}, ...own } }, context): CircuitSettings => {
    const rulesOf = (service: string, given: Record<string, unknown>): Rules => {
      const parsed = rulesSchema.safeParse({ ...common, ...given });
      if (parsed.success) return parsed.data;
      for (const issue of parsed.error.issues)
        context.addIssue({ code: 'custom', message: issue.message, path: ['CIRCUIT_RULES', service, ...issue.path] });
      return DEFAULT_RULES;
    };
    return {
      others: rulesOf('*', {}),
      services: new Map(Object.entries(own).map(([service, given]) => [service, rulesOf(service, given)])),
    };
  });

export const rulesOf = ({ others, services }: CircuitSettings, service: string): Rules => services.get(service) ?? others;
