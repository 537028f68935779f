/** Settings of barrier, from variables of its environment. */
import * as z from 'zod';

/** ms that a phase waits, from its first arrival, where nobody says another time. */
export const settings = z
  .object({ BARRIER_TIMEOUT_MS: z.coerce.number<string>().int().min(1).default(300_000) })
  .transform((environment) => ({ timeout: environment.BARRIER_TIMEOUT_MS }));

export type Settings = z.infer<typeof settings>;
