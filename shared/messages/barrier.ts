/** Barriers: participants wait for each other, and are released together. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, count, id, time } from './fields.ts';
import { defineMessage } from './message.ts';

const barrierBody = z.looseObject({
  sync_id: id.optional(),
  barrier_id: id,
  phase: z.string().optional(),
  participant: id,
  parties: atLeastOne.optional(),
  /** Who they are: nobody else may arrive. */
  participants: z.array(id).min(1).optional(),
  /** From the first arrival of a phase. */
  timeout_ms: atLeastOne.optional(),
  /** When a participant dies: the phase is broken, or the others go on without it. */
  on_death: z.enum(['break', 'reduce']).optional(),
  /** It does not arrive: it is gone. What it did since then is another incarnation's. */
  gone_at: time.optional(),
});
export type Barrier = z.infer<typeof barrierBody>;

export const barrier = defineMessage({
  name: 'barrier',
  subject: subjects.barrier,
  by: 'COORDINATION_MESSAGES',
  body: barrierBody,
});

const releasedBody = z.looseObject({
  sync_id: id.optional(),
  barrier_id: id,
  phase: z.string().optional(),
  status: z.enum(['released', 'broken', 'refused']),
  /** Which phase of the barrier it is, from 1. */
  generation: atLeastOne.optional(),
  parties: atLeastOne.optional(),
  arrived: count.optional(),
  /** Of a broken phase: who did not come, as far as it is known. */
  missing: z.array(id).optional(),
  /** Of a refusal: who is refused. */
  participant: id.optional(),
  code: z.string().optional(),
  reason: z.string().optional(),
});
export type BarrierReleased = z.infer<typeof releasedBody>;

export const barrierReleased = defineMessage({
  name: 'barrierReleased',
  subject: subjects.barrierReleased,
  by: 'COORDINATION_MESSAGES',
  body: releasedBody,
});
