/** Settings of escalation, from variables of its environment. */
import * as z from 'zod';

const deadlineMs = z.coerce.number<string>().int().min(1);

/** How long a case stays with the agent's supervisor, its domain and root before it goes up. */
export const settings = z
  .object({
    ESCALATION_SUPERVISOR_MS: deadlineMs.default(30_000),
    ESCALATION_DOMAIN_MS: deadlineMs.default(30_000),
    ESCALATION_ROOT_MS: deadlineMs.default(30_000),
  })
  .transform((environment) => ({
    deadlines: {
      1: environment.ESCALATION_SUPERVISOR_MS,
      2: environment.ESCALATION_DOMAIN_MS,
      3: environment.ESCALATION_ROOT_MS,
      // With people it stays.
      4: null,
    },
  }));

export type Settings = z.infer<typeof settings>;
