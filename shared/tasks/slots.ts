/**
 * What an agent has to do: its attempts, and so its free slots, and until when it has to say something of each. Only
 * task-assignment writes it, together with the tasks. Pure.
 */
import * as z from 'zod';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { slotsIdOf } from './roster.ts';

const KEEP_IDLE_MS = 30 * 24 * 3_600_000;

const attemptSchema = z.object({
  attempt: z.int(),
  /** Since when, until when it has to say something, and until when it has to be finished, epoch ms. */
  at: z.number(),
  due: z.number(),
  deadline: z.number(),
  accepted: z.literal(true).exactOptional(),
  /** It was told that its time is over. */
  overdue: z.literal(true).exactOptional(),
  /** Whose bulkhead it counts in. */
  domain: z.string().exactOptional(),
  /** What the agent last said of how far it is. */
  progress: z.unknown().exactOptional(),
});
export type Attempt = z.infer<typeof attemptSchema>;

const slotsSchema = z.object({
  /** By task. */
  active: z.record(z.string(), attemptSchema),
  /** When it last got a task, epoch ms, or a little later: no two agents that were chosen between have the same. */
  last: z.number(),
  /** Its virtual time, where it was chosen by a balancer that keeps one. */
  turn: z.number().exactOptional(),
  /** How many tasks it ever got. */
  taken: z.int(),
  /** How many tasks it got in an epoch of its circuit that was half-open. */
  probes: z.object({ epoch: z.int(), used: z.int() }).exactOptional(),
  /** Lookup values under which the roster has it. */
  roster: z.array(z.string()),
  /** When to look whether the registry knows of it by now, or whether more waits for it, epoch ms. */
  lookAt: z.number().exactOptional(),
  /** How often it looked for it. */
  looks: z.int().exactOptional(),
});

export type Slots = z.infer<typeof slotsSchema>;

/** Before an attempt had its times here. */
const withTimes = (old: unknown): unknown => {
  const { active, ...slots } = old as { active: Record<string, { attempt: number; at: number }> };
  const timed = Object.entries(active).map(([task, one]) => [task, { ...one, due: one.at + 300_000, deadline: one.at + 300_000 }]);
  return { ...slots, active: Object.fromEntries(timed), taken: 0, roster: [] };
};

export const slotsKind: Kind<Slots> = {
  kind: 'slots',
  schema: slotsSchema,
  version: 2,
  upcast: { 1: withTimes },
  expiresAt: ({ active, last, roster }) => (Object.keys(active).length + roster.length === 0 ? last + KEEP_IDLE_MS : undefined),
  wakeAt: ({ active, lookAt = Infinity }) => {
    let first = lookAt;
    for (const id in active) first = Math.min(first, (active[id] as Attempt).due);
    return Number.isFinite(first) ? first : null;
  },
};

export const slotsKey = (agentId: string): EntityKey => keyOf(slotsKind.kind, slotsIdOf(agentId));

export const NO_TASKS: Slots = { active: {}, last: 0, taken: 0, roster: [] };

export const usedSlots = ({ active }: Slots): number => {
  let used = 0;
  for (const _ in active) used++;
  return used;
};

type Taking = {
  last: number;
  turn?: number | undefined /** The epoch of its circuit, if that is half-open. */;
  probing?: number | undefined;
};

export const take = (slots: Slots, taskId: string, attempt: Attempt, { last, turn, probing }: Taking): Slots => ({
  ...slots,
  active: { ...slots.active, [taskId]: attempt },
  last,
  taken: slots.taken + 1,
  ...(turn !== undefined && { turn }),
  ...(probing !== undefined && { probes: { epoch: probing, used: usedProbes(slots, probing) + 1 } }),
});

export const release = (slots: Slots, taskId: string): Slots => {
  const { [taskId]: _, ...active } = slots.active;
  return { ...slots, active };
};

export const changeAttempt = (slots: Slots, taskId: string, attempt: Attempt): Slots => ({
  ...slots,
  active: { ...slots.active, [taskId]: attempt },
});

export const usedProbes = ({ probes }: Slots, epoch: number): number => (probes?.epoch === epoch ? probes.used : 0);
