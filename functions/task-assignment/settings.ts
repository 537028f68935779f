/** Settings of task-assignment, from variables of its environment. */
import * as z from 'zod';
import { jsonSetting } from '#shared/json-setting.ts';
import type { Limit } from '#shared/tasks/bulkhead.ts';

const ms = z.coerce.number<string>().int().min(1);

const LIMITS_RULE = 'must be JSON such as {"nlp": {"concurrent": 100, "waiting": 10000}}, where "*" is for every other domain';
const limits = z.record(z.string(), z.strictObject({ concurrent: z.int().min(1).optional(), waiting: z.int().min(0).optional() }), {
  error: LIMITS_RULE,
});
const EVERY_OTHER: Limit = { waiting: 10_000 };

/**
 * ms that an agent has to accept; ms that an attempt and a wait may take, and attempts, of a task that does not say; of a domain
 * that tasks name, how many of them may be under way, and wait.
 */
export const settings = z
  .object({
    TASK_ACCEPT_MS: ms.default(10_000),
    TASK_TIMEOUT_MS: ms.default(300_000),
    TASK_MAX_ATTEMPTS: z.coerce.number<string>().int().min(1).default(3),
    TASK_DOMAIN_LIMITS: jsonSetting(LIMITS_RULE).pipe(limits),
  })
  .transform((environment) => ({
    accept: environment.TASK_ACCEPT_MS,
    timeout: environment.TASK_TIMEOUT_MS,
    maxAttempts: environment.TASK_MAX_ATTEMPTS,
    limits: { '*': EVERY_OTHER, ...environment.TASK_DOMAIN_LIMITS } as Readonly<Record<string, Limit>>,
  }));

export type Settings = z.infer<typeof settings>;

/** Undefined: the domain has none, or there is no domain. */
export const limitOf = ({ limits }: Settings, domain: string | undefined): Limit | undefined => {
  const limit = domain === undefined ? undefined : (limits[domain] ?? limits['*']);
  return limit && (limit.concurrent ?? limit.waiting) !== undefined ? limit : undefined;
};
