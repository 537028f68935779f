/** What a request for a recovery says: which failure it is about, since when, and why; and whether it is still of any use. Pure. */
import * as z from 'zod';
import type { Recovery } from '#shared/messages/supervision.ts';
import type { Agent } from '#shared/registry/agent.ts';

/** As failure-handler writes it; whoever asks by hand may leave it out. */
const planSchema = z.object({ event_id: z.string(), failure_type: z.string(), reason: z.string(), failed_at: z.string() }).partial();

/** `failure`: the same one twice is one request. `failedAt`: epoch ms, Infinity where nobody says. */
export const requestOf = ({ recovery_plan, initiator }: Recovery): { failure?: string; failedAt: number; reason: string } => {
  const { event_id, failure_type, reason, failed_at } = planSchema.safeParse(recovery_plan).data ?? {};
  return {
    ...(event_id !== undefined && { failure: event_id }),
    failedAt: failed_at === undefined ? Infinity : Date.parse(failed_at),
    reason: failure_type ?? reason ?? (initiator === undefined ? 'asked for' : `asked for by ${initiator}`),
  };
};

/** Whether an agent that ended at a time (epoch ms) has come back since: its end was heard of late, or twice. */
export const isBack = (agent: Agent | undefined, endedAt: number): boolean =>
  agent?.lifecycle === 'active' && agent.responsive && agent.since > endedAt;
