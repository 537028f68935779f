/** Settings of workflow, from variables of its environment. */
import * as z from 'zod';

/** ms that a stage that does not say may take until somebody continues it, and how often it is published at the most. */
export const settings = z
  .object({
    WORKFLOW_STAGE_TIMEOUT_MS: z.coerce.number<string>().int().min(1).default(300_000),
    WORKFLOW_STAGE_ATTEMPTS: z.coerce.number<string>().int().min(1).default(3),
  })
  .transform((environment) => ({
    timeout: environment.WORKFLOW_STAGE_TIMEOUT_MS,
    maxAttempts: environment.WORKFLOW_STAGE_ATTEMPTS,
  }));

export type Settings = z.infer<typeof settings>;
