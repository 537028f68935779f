/** What a barrier says to those who wait at it. */
import { barrierReleased } from '#shared/messages/barrier.ts';
import { output } from '#shared/messages/message.ts';
import type { Name, Outcome } from './barrier.ts';

export const over = (barrier_id: string, { name, at: _, parties, ...outcome }: Outcome) =>
  output(barrierReleased, { barrier_id }, { barrier_id, ...name, ...outcome, ...(parties !== null && { parties }) });

/** To one participant; the others take no notice. */
export const refused = (barrier_id: string, name: Name, participant: string, refusal: { code: string; reason: string }) =>
  output(barrierReleased, { barrier_id }, { barrier_id, ...name, status: 'refused' as const, participant, ...refusal });
