/** What a request for a recovery says: which failure it is about, and why. Pure. */
import * as z from 'zod';
import type { Recovery } from '#shared/messages/supervision.ts';

/** As failure-handler writes it; whoever asks by hand may leave it out. */
const planSchema = z.object({ event_id: z.string(), failure_type: z.string(), reason: z.string() }).partial();

/** `failure`: the same one twice is one request. */
export const requestOf = ({ recovery_plan, initiator }: Recovery): { failure?: string; reason: string } => {
  const { event_id, failure_type, reason } = planSchema.safeParse(recovery_plan).data ?? {};
  return {
    ...(event_id !== undefined && { failure: event_id }),
    reason: failure_type ?? reason ?? (initiator === undefined ? 'asked for' : `asked for by ${initiator}`),
  };
};
