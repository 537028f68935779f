/** Whom a task may go to, and how one of them is chosen. */
import * as z from 'zod';
import type { Policy } from '#shared/messages/routing-policy.ts';
import type { Task } from '#shared/messages/task.ts';

export const needSchema = z.object({
  /** All of them. */
  capabilities: z.array(z.string()),
  zone: z.string().optional(),
  domain: z.string().optional(),
  /** Only these agents; empty: whoever can. */
  participants: z.array(z.string()),
});

export type Need = z.infer<typeof needSchema>;

type Asks = { requirements?: Pick<NonNullable<Task['requirements']>, 'capabilities' | 'zone' | 'domain'> | undefined } & Pick<
  Task,
  'participants'
>;

export const needOf = ({ requirements: { capabilities = [], zone, domain } = {}, participants = [] }: Asks): Need => ({
  capabilities,
  ...(zone !== undefined && { zone }),
  ...(domain !== undefined && { domain }),
  participants,
});

/** The same for the same need. */
export const needKey = ({ capabilities, zone, domain, participants }: Need): string =>
  JSON.stringify([capabilities, zone ?? null, domain ?? null, participants]);

/** The policy that a task names. */
export const policyOf = (named: NonNullable<Task['requirements']>['policy']): Policy | undefined => {
  if (named === undefined || typeof named === 'object') return named;
  return named === 'round_robin' || named === 'load_based' ? { type: named } : { type: 'load_based', balancer: named };
};
