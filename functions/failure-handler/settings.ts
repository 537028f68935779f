/** Settings of failure-handler, from variables of its environment. */
import * as z from 'zod';

const OFF_RULE = 'must be a list such as agent:a1,domain:nlp';

/** `RESTART_INTENSITY` recoveries within `RESTART_PERIOD_MS`; `RECOVERY_OFF`: agents and domains that are not recovered. */
export const settings = z
  .object({
    RESTART_INTENSITY: z.coerce.number<string>().int().min(0).default(3),
    RESTART_PERIOD_MS: z.coerce.number<string>().int().min(1).default(60_000),
    RECOVERY_OFF: z
      .string()
      .regex(/^((agent|domain):[\w-]+(,(agent|domain):[\w-]+)*)?$/, { error: OFF_RULE })
      .default(''),
  })
  .transform((environment) => ({
    restarts: { intensity: environment.RESTART_INTENSITY, period: environment.RESTART_PERIOD_MS },
    recoveryOff: environment.RECOVERY_OFF.split(',').filter(Boolean),
  }));

export type Settings = z.infer<typeof settings>;
