/** A task on its way to an agent, for whoever reads it (`Reader`). Only task-assignment writes it. Pure. */
import * as z from 'zod';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';
import { priority } from '#shared/messages/fields.ts';
import { taskOutcome } from '#shared/messages/task.ts';
import { needSchema } from './need.ts';

const KEEP_ENDED_MS = 7 * 24 * 3_600_000;

const outline = {
  priority,
  /** Epoch ms. */
  submittedAt: z.number(),
  /** The agent of each attempt, in order. */
  tried: z.array(z.string()),
};

const work = {
  ...outline,
  need: needSchema,
  /** ms that an attempt may take, and that the task waits for an agent. */
  timeout: z.number(),
  maxAttempts: z.number(),
  payload: z.unknown().optional(),
};

const waitingSchema = z.object({
  phase: z.literal('waiting'),
  ...work,
  /** Since when, and until when at most, epoch ms. */
  since: z.number(),
  until: z.number(),
});

const activeSchema = z.object({
  phase: z.literal('active'),
  ...work,
  assignedAt: z.number(),
  /** Until when the agent has to say something, epoch ms; null: it did. */
  acceptBy: z.number().nullable(),
  deadline: z.number(),
  /** The epoch of the agent's circuit, which the attempt is reported with. */
  epoch: z.number().optional(),
});

const taskSchema = z.discriminatedUnion('phase', [
  waitingSchema,
  activeSchema,
  z.object({ phase: z.literal('ended'), ...outline, outcome: taskOutcome, endedAt: z.number() }),
]);

export type Task = z.infer<typeof taskSchema>;
export type WaitingTask = z.infer<typeof waitingSchema>;
export type ActiveTask = z.infer<typeof activeSchema>;
/** What a task is before it waits or is given to anybody. */
export type Work = Pick<WaitingTask, keyof typeof work>;

export const taskKind: Kind<Task> = {
  kind: 'task',
  schema: taskSchema,
  version: 1,
  expiresAt: (task) => (task.phase === 'ended' ? task.endedAt + KEEP_ENDED_MS : undefined),
};

export const taskKey = (id: string): EntityKey => keyOf(taskKind.kind, id);

/** The agent that has it, or had it last. */
export const agentOf = ({ tried }: Pick<Task, 'tried'>): string | undefined => tried.at(-1);

export const workOf = ({ priority, submittedAt, tried, need, timeout, maxAttempts, payload }: Work): Work => ({
  priority,
  submittedAt,
  tried,
  need,
  timeout,
  maxAttempts,
  ...(payload !== undefined && { payload }),
});

/** A task as an operator sees it. */
export const toWire = (id: string, task: Task) => ({
  task_id: id,
  phase: task.phase,
  priority: task.priority,
  submitted_at: iso(task.submittedAt),
  attempts: task.tried.length,
  agents: task.tried,
  ...(task.phase === 'waiting' && { waits_until: iso(task.until), needs: task.need }),
  ...(task.phase === 'active' && {
    agent_id: agentOf(task),
    accepted: task.acceptBy === null,
    assigned_at: iso(task.assignedAt),
    deadline: iso(task.deadline),
  }),
  ...(task.phase === 'ended' && { outcome: task.outcome, ended_at: iso(task.endedAt) }),
});
