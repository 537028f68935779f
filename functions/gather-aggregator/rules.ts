/** How a gather is completed and what is made of its results, as its scatter says. Pure. */
import * as z from 'zod';
import { compilePattern, PatternError } from '#shared/event-pattern/event-pattern.ts';
import { isObject } from '#shared/messages/opaque.ts';
import { REDUCTIONS, type ScatterTask, STRATEGIES } from '#shared/messages/scatter-gather.ts';

export const rulesSchema = z.object({
  strategy: z.enum(STRATEGIES),
  reduce: z.object({ op: z.enum(REDUCTIONS), field: z.string().exactOptional() }).exactOptional(),
  /** ms after the last result. */
  idle: z.number().exactOptional(),
  /** An EventBridge pattern. */
  when: z.record(z.string(), z.unknown()).exactOptional(),
  quorum: z.object({ count: z.number(), field: z.string().exactOptional() }).exactOptional(),
  expected: z.array(z.string()).exactOptional(),
  partial: z.literal(true).exactOptional(),
});
export type Rules = z.infer<typeof rulesSchema>;

/** Undefined: the scatter has none. A string: what is wrong with them. */
export const rulesOf = (body: ScatterTask): Rules | undefined | string => {
  const { strategy, reduce, idle_timeout_ms, complete_when, quorum, expected, allow_partial } = body;
  const rules: Rules = {
    strategy: strategy ?? 'collect',
    ...(reduce && { reduce: withField(reduce) }),
    ...(idle_timeout_ms !== undefined && { idle: idle_timeout_ms }),
    ...(complete_when && { when: complete_when }),
    ...(quorum && { quorum: withField(quorum) }),
    ...(expected && { expected: [...new Set(expected)] }),
    ...(allow_partial && { partial: true }),
  };
  if (Object.keys(rules).length === 1 && strategy === undefined) return undefined;
  try {
    if (rules.when) compilePattern(rules.when);
  } catch (error) {
    if (error instanceof PatternError) return `complete_when is no event pattern: ${error.message}`;
    throw error;
  }
  return rules;
};

const withField = <T extends { field?: string | undefined }>({ field, ...rest }: T) => ({ ...rest, ...(field !== undefined && { field }) });

/** What a result has at `a.b.c`; without a path itself. Undefined: nothing. */
export const valueAt = (result: unknown, path: string | undefined): unknown => {
  let value = result;
  for (const name of path?.split('.') ?? []) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
};
