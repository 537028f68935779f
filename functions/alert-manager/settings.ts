/** When people are told of alerts, from variables of the environment; the terms are those of Prometheus' Alertmanager. */
import * as z from 'zod';

const ms = (otherwise: number) => z.coerce.number<string>().int().min(1).default(otherwise);

export const settings = z
  .object({
    /** From a group's first alert until it is told, so that others can join it. Critical ones do not wait. */
    ALERT_GROUP_WAIT_MS: ms(10_000),
    /** From there until its news are told. */
    ALERT_GROUP_INTERVAL_MS: ms(300_000),
    /** A group that fires without any news is told again after so long. */
    ALERT_REPEAT_INTERVAL_MS: ms(14_400_000),
    /** A group of which nothing is heard for so long is resolved. */
    ALERT_RESOLVE_TIMEOUT_MS: ms(900_000),
    /** Notifications of a severity within any minute; the last of them is a digest of what exceeds it. */
    ALERT_NOTIFICATIONS_PER_MINUTE: z.coerce.number<string>().int().min(1).max(100).default(6),
  })
  .transform((environment) => ({
    groupWaitMs: environment.ALERT_GROUP_WAIT_MS,
    groupIntervalMs: environment.ALERT_GROUP_INTERVAL_MS,
    repeatIntervalMs: environment.ALERT_REPEAT_INTERVAL_MS,
    resolveTimeoutMs: environment.ALERT_RESOLVE_TIMEOUT_MS,
    perMinute: environment.ALERT_NOTIFICATIONS_PER_MINUTE,
  }));

export type Settings = z.infer<typeof settings>;
