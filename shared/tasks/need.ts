/** Whom a task may go to. */
import * as z from 'zod';
import type { Task } from '#shared/messages/task.ts';

export const needSchema = z.object({
  /** All of them. */
  capabilities: z.array(z.string()),
  zone: z.string().optional(),
  /** Only these agents; empty: whoever can. */
  participants: z.array(z.string()),
});

export type Need = z.infer<typeof needSchema>;

export const needOf = ({ requirements: { capabilities = [], zone } = {}, participants = [] }: Task): Need => ({
  capabilities,
  ...(zone !== undefined && { zone }),
  participants,
});

/** The same for the same need. */
export const needKey = ({ capabilities, zone, participants }: Need): string => JSON.stringify([capabilities, zone ?? null, participants]);
