/** Settings of orchestrator-monitor, from variables of its environment. */
import * as z from 'zod';

/**
 * `ORCHESTRATOR_ANSWER_MS`: how long whoever was asked has to answer, before it is asked of another one;
 * `ORCHESTRATOR_FORWARDS`: of how many others it is asked, before people are told.
 */
export const settings = z
  .object({
    ORCHESTRATOR_ANSWER_MS: z.coerce.number<string>().int().min(1).default(60_000),
    ORCHESTRATOR_FORWARDS: z.coerce.number<string>().int().min(0).default(3),
  })
  .transform((environment) => ({ answer: environment.ORCHESTRATOR_ANSWER_MS, forwards: environment.ORCHESTRATOR_FORWARDS }));

export type Settings = z.infer<typeof settings>;
