/** Settings of the command dispatcher, from variables of its environment. */
import * as z from 'zod';

const ms = z.coerce.number<string>().int().min(1);

/** ms that answers are waited for; ms before a command is sent again, twice as long each time; how often it is sent at most. */
export const settings = z
  .object({
    COMMAND_TIMEOUT_MS: ms.default(10_000),
    COMMAND_RESEND_MS: ms.default(2000),
    COMMAND_ATTEMPTS: z.coerce.number<string>().int().min(1).default(5),
  })
  .transform((environment) => ({
    timeoutMs: environment.COMMAND_TIMEOUT_MS,
    resendMs: environment.COMMAND_RESEND_MS,
    attempts: environment.COMMAND_ATTEMPTS,
  }));

export type Settings = z.infer<typeof settings>;
