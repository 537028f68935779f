/** Settings of task-coordinator, from variables of its environment. */
import * as z from 'zod';

const share = z.coerce.number<string>().min(0).max(1);

/**
 * ms that a task for many may take when it does not say. Backups of slow maps: from which share of the maps done, for which
 * multiple of the median, and for which share of the maps at most; 0: none.
 */
export const settings = z
  .object({
    GROUP_TIMEOUT_MS: z.coerce.number<string>().int().min(1).default(3_600_000),
    GROUP_BACKUP_DONE: share.default(0.9),
    GROUP_BACKUP_FACTOR: z.coerce.number<string>().min(1).default(1.5),
    GROUP_BACKUP_SHARE: share.default(0.1),
  })
  .transform((environment) => ({
    timeout: environment.GROUP_TIMEOUT_MS,
    backup: {
      done: environment.GROUP_BACKUP_DONE,
      factor: environment.GROUP_BACKUP_FACTOR,
      share: environment.GROUP_BACKUP_SHARE,
    },
  }));

export type Settings = z.infer<typeof settings>;
