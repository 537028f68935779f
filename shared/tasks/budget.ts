/** The budget of a task: it may have one of its own, and so may whoever submits it, who hands it on. Pure. */
import { time } from '#shared/messages/fields.ts';
import { headerOf } from '#shared/messages/headers.ts';
import type { Received } from '#shared/messages/message.ts';
import type { task } from '#shared/messages/task.ts';

/** More is not waited for, whatever a task says. */
export const MAX_TIMEOUT_MS = 7 * 24 * 3_600_000;

/** Its end, epoch ms, the earlier where there are two. Undefined: there is none. */
export const budgetOf = ({ body, headers }: Pick<Received<typeof task>, 'body' | 'headers'>): number | undefined => {
  const ends = [body.requirements?.deadline, headerOf(headers, 'X-Deadline')].flatMap((end) => time.safeParse(end).data ?? []);
  return ends.length === 0 ? undefined : Math.min(...ends.map(Date.parse));
};
