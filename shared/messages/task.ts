/** Tasks: in, out to an agent, how it goes, and how it ended. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, count, id, priority, time } from './fields.ts';
import { defineMessage } from './message.ts';
import { BALANCERS, policy } from './routing-policy.ts';

const MAX_DEPENDENCIES = 50;

/** A policy, or the name of one that needs nothing else. */
const taskPolicy = z.union([policy, z.enum(['round_robin', 'load_based']), z.enum(BALANCERS)], {
  error: `must be a routing policy, round_robin, load_based or one of ${BALANCERS.join(', ')}`,
});

const requirements = z.looseObject({
  capabilities: z.array(z.string()).optional(),
  zone: z.string().optional(),
  priority: priority.optional(),
  /** Of a task for many: of the whole. */
  timeout_ms: atLeastOne.optional(),
  max_attempts: atLeastOne.optional(),
  /** Absent: that of the subject (`control.routing.set`). */
  policy: taskPolicy.optional(),
  /** Only agents of this domain; counts in its limit. */
  domain: id.optional(),
  /** Tasks that have to be completed before. */
  depends_on: z.array(id).max(MAX_DEPENDENCIES).optional(),
  /** The end of the budget, whatever the timeouts say; absent: there is none. */
  deadline: time.optional(),
  /** Parts that must succeed, of a broadcast or parallel; unsaid: all. */
  min_success: atLeastOne.optional(),
});

/** Who does a part of a task for many, where that is not as for the whole. `timeout_ms` is the part's. */
const partNeeds = { requirements: requirements.optional(), participants: z.array(id).max(1000).optional() };
const MAX_PARTS = 1000;

/** Of the types other than assignment, a task for many. */
const forMany = {
  /** Of parallel. */
  parts: z
    .array(z.looseObject({ payload: z.unknown().optional(), ...partNeeds }))
    .min(1)
    .max(MAX_PARTS)
    .optional(),
  /** Of a pipeline. */
  stages: z
    .array(z.looseObject({ name: id.max(100), payload: z.unknown().optional(), ...partNeeds }))
    .min(1)
    .max(100)
    .refine((stages) => new Set(stages.map(({ name }) => name)).size === stages.length, { error: 'must not have a name twice' })
    .optional(),
  /** Of map_reduce: the payload of each map. */
  splits: z.array(z.unknown()).min(1).max(MAX_PARTS).optional(),
  map: z.looseObject(partNeeds).optional(),
  /** Each reduce takes at most `fan_in` results; unsaid: one takes all. */
  reduce: z.looseObject({ ...partNeeds, fan_in: z.int().min(2).optional() }).optional(),
  /** Parts that are under way at the same time. */
  max_parallel: atLeastOne.optional(),
  on_failure: z.enum(['fail_fast', 'collect']).optional(),
};

const taskBody = z.looseObject({
  task_id: id,
  coordination_type: z.enum(['assignment', 'broadcast', 'pipeline', 'parallel', 'map_reduce']),
  participants: z.array(id).max(1000).optional(),
  requirements: requirements.optional(),
  payload: z.unknown().optional(),
  ...forMany,
});
export type Task = z.infer<typeof taskBody>;

export const task = defineMessage({ name: 'task', subject: subjects.task, by: 'COORDINATION_MESSAGES', body: taskBody });

/** Also published by clients that choose the agent themselves: they know of no attempt and no deadline. */
const assignmentBody = z.looseObject({
  task_id: id,
  agent_id: id,
  attempt: atLeastOne.optional(),
  deadline: time.optional(),
  payload: z.unknown().optional(),
});
export type TaskAssignment = z.infer<typeof assignmentBody>;

export const taskAssignment = defineMessage({
  name: 'taskAssignment',
  subject: subjects.taskAssignment,
  by: 'COORDINATION_MESSAGES',
  body: assignmentBody,
});

/** `lost` and `overdue` are what task-assignment says for an agent that is gone, and for one that says nothing. */
const statusBody = z.looseObject({
  task_id: id,
  agent_id: id,
  attempt: atLeastOne.optional(),
  status: z.enum(['accepted', 'progress', 'completed', 'failed', 'lost', 'overdue']),
  /** How far it is. */
  progress: z.unknown().optional(),
  result: z.unknown().optional(),
  error: z.unknown().optional(),
});
export type TaskStatus = z.infer<typeof statusBody>;

export const taskStatus = defineMessage({
  name: 'taskStatus',
  subject: subjects.taskStatus,
  by: 'COORDINATION_MESSAGES',
  body: statusBody,
  fromHeaders: { agent_id: 'X-Agent-ID' },
});

export const taskOutcome = z.enum(['completed', 'failed', 'timed_out', 'unassigned', 'cancelled']);
export type TaskOutcome = z.infer<typeof taskOutcome>;

const doneBody = z.looseObject({
  task_id: id,
  outcome: taskOutcome,
  result: z.unknown().optional(),
  error: z.unknown().optional(),
  attempts: count.optional(),
  /** How long its last attempt took. */
  duration_ms: count.optional(),
});
export type TaskDone = z.infer<typeof doneBody>;

export const taskDone = defineMessage({ name: 'taskDone', subject: subjects.taskDone, by: 'COORDINATION_MESSAGES', body: doneBody });

/** What task-assignment says to itself: a task that this one depends on has ended. */
export const taskUnblocked = defineMessage({
  name: 'taskUnblocked',
  subject: subjects.taskUnblocked,
  by: 'COORDINATION_MESSAGES',
  body: z.looseObject({ task_id: id, by: id, outcome: taskOutcome }),
});
