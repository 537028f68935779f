/** What an agent has to do: its attempts, and so its free slots. Only task-assignment writes it, together with the task. Pure. */
import * as z from 'zod';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';

const KEEP_IDLE_MS = 30 * 24 * 3_600_000;

const slotsSchema = z.object({
  /** By task: which attempt it is, and since when, epoch ms. */
  active: z.record(z.string(), z.object({ attempt: z.int(), at: z.number() })),
  /** When it last got a task, epoch ms, or a little later: no two agents that were chosen between have the same. */
  last: z.number(),
  /** How many tasks it got in an epoch of its circuit that was half-open. */
  probes: z.object({ epoch: z.int(), used: z.int() }).optional(),
});

export type Slots = z.infer<typeof slotsSchema>;

export const slotsKind: Kind<Slots> = {
  kind: 'slots',
  schema: slotsSchema,
  version: 1,
  expiresAt: ({ active, last }) => (Object.keys(active).length === 0 ? last + KEEP_IDLE_MS : undefined),
};

export const slotsKey = (agentId: string): EntityKey => keyOf(slotsKind.kind, agentId);

export const NO_TASKS: Slots = { active: {}, last: 0 };

export const usedSlots = ({ active }: Slots): number => Object.keys(active).length;

export const take = (slots: Slots, taskId: string, attempt: { attempt: number; at: number }, last: number, probing?: number): Slots => ({
  active: { ...slots.active, [taskId]: attempt },
  last,
  ...(probing !== undefined && { probes: { epoch: probing, used: usedProbes(slots, probing) + 1 } }),
});

export const release = (slots: Slots, taskId: string): Slots => {
  const { [taskId]: _, ...active } = slots.active;
  return { ...slots, active };
};

export const usedProbes = ({ probes }: Slots, epoch: number): number => (probes?.epoch === epoch ? probes.used : 0);
