/** A task on its way to an agent, for whoever reads it (`Reader`). Only task-assignment writes it. Pure. */
import * as z from 'zod';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';
import { priority } from '#shared/messages/fields.ts';
import { policy } from '#shared/messages/routing-policy.ts';
import { taskOutcome } from '#shared/messages/task.ts';
import { needSchema } from './need.ts';
import type { Attempt } from './slots.ts';

/** Of a payload: with what else is kept of a task it has to fit an item of the table. */
export const MAX_PAYLOAD_BYTES = 300_000;
const KEEP_ENDED_MS = 7 * 24 * 3_600_000;
const KEEP_EXPECTED_MS = 30 * 24 * 3_600_000;

const outline = {
  priority,
  /** Epoch ms. */
  submittedAt: z.number(),
  /** The agent of each attempt, in order. */
  tried: z.array(z.string()),
};

/** Tasks that depend on it. */
const dependents = { dependents: z.array(z.string()).optional() };

const work = {
  ...outline,
  ...dependents,
  need: needSchema,
  /** Absent: that of its subject. */
  policy: policy.optional(),
  /** ms that an attempt may take, and that the task waits for an agent. */
  timeout: z.number(),
  /** The end of its budget, epoch ms. */
  deadline: z.number().optional(),
  maxAttempts: z.number(),
  payload: z.unknown().optional(),
};

const blockedSchema = z.object({
  phase: z.literal('blocked'),
  ...work,
  /** Tasks that have to be completed before. */
  waitsFor: z.array(z.string()),
  until: z.number(),
});

const waitingSchema = z.object({
  phase: z.literal('waiting'),
  ...work,
  /** Since when, and until when at most, epoch ms. */
  since: z.number(),
  until: z.number(),
  /** When it looks for an agent by itself, epoch ms. */
  lookAt: z.number(),
  /** Whether it has a marker in its queue. */
  queued: z.boolean(),
});

/** Until when the agent has to say something stands in its slots. */
const activeSchema = z.object({
  phase: z.literal('active'),
  ...work,
  assignedAt: z.number(),
  /** The epoch of the agent's circuit, which the attempt is reported with. */
  epoch: z.number().optional(),
});

const taskSchema = z.discriminatedUnion('phase', [
  /** Others depend on it, it did not come yet. */
  z.object({ phase: z.literal('expected'), ...dependents, at: z.number() }),
  blockedSchema,
  waitingSchema,
  activeSchema,
  z.object({ phase: z.literal('ended'), ...outline, outcome: taskOutcome, endedAt: z.number() }),
]);

export type Task = z.infer<typeof taskSchema>;
export type BlockedTask = z.infer<typeof blockedSchema>;
export type WaitingTask = z.infer<typeof waitingSchema>;
export type ActiveTask = z.infer<typeof activeSchema>;
export type OpenTask = BlockedTask | WaitingTask | ActiveTask;
export type EndedTask = Extract<Task, { phase: 'ended' }>;
/** What a task is before it waits or is given to anybody. */
export type Work = Pick<WaitingTask, keyof typeof work>;

/** Before its attempt's times were in the slots of its agent, and it could wait without a marker. */
const fromSlotless = (old: unknown): unknown => {
  const task = old as { phase: string; until?: number };
  return task.phase === 'waiting' ? { ...task, lookAt: task.until, queued: true } : task;
};

export const taskKind: Kind<Task> = {
  kind: 'task',
  schema: taskSchema,
  version: 2,
  upcast: { 1: fromSlotless },
  wakeAt: (task) => {
    switch (task.phase) {
      case 'blocked':
        return task.until;
      case 'waiting':
        return task.lookAt;
      case 'expected':
      case 'active':
      case 'ended':
        return null;
      default:
        throw task satisfies never;
    }
  },
  expiresAt: (task) => {
    if (task.phase === 'expected') return task.at + KEEP_EXPECTED_MS;
    return task.phase === 'ended' ? task.endedAt + KEEP_ENDED_MS : undefined;
  },
};

export const taskKey = (id: string): EntityKey => keyOf(taskKind.kind, id);

export const isOpen = (task: Task | undefined): task is OpenTask =>
  task?.phase === 'blocked' || task?.phase === 'waiting' || task?.phase === 'active';

/** The agent that has it, or had it last. */
export const agentOf = ({ tried }: Pick<Work, 'tried'>): string | undefined => tried.at(-1);

export const workOf = ({
  priority,
  submittedAt,
  tried,
  dependents,
  need,
  policy,
  timeout,
  deadline,
  maxAttempts,
  payload,
}: Work): Work => ({
  priority,
  submittedAt,
  tried,
  ...(dependents && { dependents }),
  need,
  ...(policy && { policy }),
  timeout,
  ...(deadline !== undefined && { deadline }),
  maxAttempts,
  ...(payload !== undefined && { payload }),
});

const atAgent = (task: ActiveTask, attempt: Attempt | undefined) => ({
  agent_id: agentOf(task),
  assigned_at: iso(task.assignedAt),
  ...(attempt && {
    accepted: attempt.accepted ?? false,
    deadline: iso(attempt.deadline),
    ...(attempt.progress !== undefined && { progress: attempt.progress }),
  }),
});

/** A task as an operator sees it; `attempt`: as its agent's slots have it. */
export const toWire = (id: string, task: OpenTask | EndedTask, attempt?: Attempt) => ({
  task_id: id,
  phase: task.phase,
  priority: task.priority,
  submitted_at: iso(task.submittedAt),
  attempts: task.tried.length,
  agents: task.tried,
  ...(task.phase === 'blocked' && { waits_for: task.waitsFor, waits_until: iso(task.until), needs: task.need }),
  ...(task.phase === 'waiting' && { waits_until: iso(task.until), needs: task.need }),
  ...(task.phase === 'active' && atAgent(task, attempt)),
  ...(task.phase === 'ended' && { outcome: task.outcome, ended_at: iso(task.endedAt) }),
});
