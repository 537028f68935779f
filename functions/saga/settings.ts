/** Settings of saga, from variables of its environment. */
import * as z from 'zod';

const ms = z.coerce.number<string>().int().min(1);

/**
 * Of a step that does not say: ms that an attempt may take, and attempts. How often a compensation is asked for before people are
 * told, and ms before the second time: twice as long before each further one, within the most.
 */
export const settings = z
  .object({
    SAGA_STEP_TIMEOUT_MS: ms.default(300_000),
    SAGA_STEP_ATTEMPTS: z.coerce.number<string>().int().min(1).default(3),
    SAGA_UNDO_ROUNDS: z.coerce.number<string>().int().min(1).default(5),
    SAGA_UNDO_BACKOFF_MS: ms.default(5000),
    SAGA_UNDO_BACKOFF_MAX_MS: ms.default(300_000),
  })
  .transform((environment) => ({
    timeout: environment.SAGA_STEP_TIMEOUT_MS,
    maxAttempts: environment.SAGA_STEP_ATTEMPTS,
    undo: {
      rounds: environment.SAGA_UNDO_ROUNDS,
      backoff: environment.SAGA_UNDO_BACKOFF_MS,
      most: environment.SAGA_UNDO_BACKOFF_MAX_MS,
    },
  }));

export type Settings = z.infer<typeof settings>;
