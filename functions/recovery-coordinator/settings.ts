/** Settings of recovery-coordinator, from variables of its environment. */
import * as z from 'zod';

const ms = z.coerce.number<string>().int().min(1);

export const settings = z
  .object({
    RESTART_INTENSITY: z.coerce.number<string>().int().min(0).default(3),
    RESTART_PERIOD_MS: ms.default(60_000),
    RECOVERY_TIMEOUT_MS: ms.default(30_000),
    RECOVERY_ATTEMPT_MS: ms.default(8000),
    RECOVERY_BACKOFF_MS: ms.default(500),
    RECOVERY_BACKOFF_MAX_MS: ms.default(8000),
  })
  .transform((environment) => ({
    /** Of an agent that is nobody's child. */
    restarts: { intensity: environment.RESTART_INTENSITY, period: environment.RESTART_PERIOD_MS },
    /** A recovery ends within. */
    timeout: environment.RECOVERY_TIMEOUT_MS,
    /** An agent is ready within, or the attempt has failed. */
    attempt: environment.RECOVERY_ATTEMPT_MS,
    /** Before the second attempt at most, and at most before any. */
    backoff: { first: environment.RECOVERY_BACKOFF_MS, most: environment.RECOVERY_BACKOFF_MAX_MS },
  }));

export type Settings = z.infer<typeof settings>;
