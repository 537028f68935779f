/** Settings of failure-handler, from variables of its environment. */
import * as z from 'zod';

const OFF_RULE = 'must be a list such as agent:a1,domain:nlp';

/** `RECOVERY_OFF`: agents and domains that are not recovered. */
export const settings = z
  .object({
    RECOVERY_OFF: z
      .string()
      .regex(/^((agent|domain):[\w-]+(,(agent|domain):[\w-]+)*)?$/, { error: OFF_RULE })
      .default(''),
  })
  .transform((environment) => ({ recoveryOff: environment.RECOVERY_OFF.split(',').filter(Boolean) }));

export type Settings = z.infer<typeof settings>;
