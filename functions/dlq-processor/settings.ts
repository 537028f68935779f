/** What the operator of the product decides about dead letters. */
import * as z from 'zod';

const DAY_MS = 24 * 3_600_000;

const whole = (otherwise: number, min: number, max = Number.MAX_SAFE_INTEGER) =>
  z.coerce.number<string>().int().min(min).max(max).default(otherwise);

export const settings = z
  .object({
    DLQ_KEEP_DAYS: whole(30, 1, 90),
    /** Transient letters are published again so often by themselves, the first time after DLQ_RETRY_FIRST_MS. */
    DLQ_AUTO_RETRIES: whole(5, 0),
    DLQ_RETRY_FIRST_MS: whole(30_000, 1),
    DLQ_RETRY_MAX_MS: whole(3_600_000, 1),
    /** No letter is published again more often, whoever asks. */
    DLQ_MAX_RETRIES: whole(10, 0),
    /** Letters a second that a replay publishes, and how many go first, alone, for how long. */
    DLQ_REPLAY_RATE: whole(20, 1, 50),
    DLQ_CANARY: whole(3, 1, 50),
    DLQ_CANARY_WAIT_MS: whole(120_000, 1),
  })
  .transform((environment) => ({
    keepMs: environment.DLQ_KEEP_DAYS * DAY_MS,
    autoRetries: environment.DLQ_AUTO_RETRIES,
    retryFirstMs: environment.DLQ_RETRY_FIRST_MS,
    retryMaxMs: environment.DLQ_RETRY_MAX_MS,
    maxRetries: environment.DLQ_MAX_RETRIES,
    replayRate: environment.DLQ_REPLAY_RATE,
    canary: environment.DLQ_CANARY,
    canaryWaitMs: environment.DLQ_CANARY_WAIT_MS,
  }));

export type Settings = z.infer<typeof settings>;
