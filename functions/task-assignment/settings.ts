/** Settings of task-assignment, from variables of its environment. */
import * as z from 'zod';

const ms = z.coerce.number<string>().int().min(1);

/** ms that an agent has to accept; ms that an attempt and a wait may take, and attempts, of a task that does not say. */
export const settings = z
  .object({
    TASK_ACCEPT_MS: ms.default(10_000),
    TASK_TIMEOUT_MS: ms.default(300_000),
    TASK_MAX_ATTEMPTS: z.coerce.number<string>().int().min(1).default(3),
  })
  .transform((environment) => ({
    accept: environment.TASK_ACCEPT_MS,
    timeout: environment.TASK_TIMEOUT_MS,
    maxAttempts: environment.TASK_MAX_ATTEMPTS,
  }));

export type Settings = z.infer<typeof settings>;
