/** Barriers: participants wait for each other, and are released together. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, id } from './fields.ts';
import { defineMessage } from './message.ts';

const barrierBody = z.looseObject({
  sync_id: id.optional(),
  barrier_id: id,
  phase: z.string().optional(),
  participant: id,
  parties: atLeastOne.optional(),
});
export type Barrier = z.infer<typeof barrierBody>;

export const barrier = defineMessage({
  name: 'barrier',
  subject: subjects.barrier,
  by: 'COORDINATION_MESSAGES',
  body: barrierBody,
});

const releasedBody = z.looseObject({ sync_id: id.optional(), barrier_id: id, phase: z.string().optional() });
export type BarrierReleased = z.infer<typeof releasedBody>;

export const barrierReleased = defineMessage({
  name: 'barrierReleased',
  subject: subjects.barrierReleased,
  by: 'COORDINATION_MESSAGES',
  body: releasedBody,
});
