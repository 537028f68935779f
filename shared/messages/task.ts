/** Tasks: in, out to an agent, how it goes, and how it ended. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, count, id, priority, time } from './fields.ts';
import { defineMessage } from './message.ts';

const taskBody = z.looseObject({
  task_id: id,
  coordination_type: z.enum(['assignment', 'broadcast', 'pipeline', 'parallel', 'map_reduce']),
  participants: z.array(id).optional(),
  requirements: z
    .looseObject({
      capabilities: z.array(z.string()).optional(),
      zone: z.string().optional(),
      priority: priority.optional(),
      timeout_ms: atLeastOne.optional(),
      max_attempts: atLeastOne.optional(),
      policy: z.string().optional(),
    })
    .optional(),
  payload: z.unknown().optional(),
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

/** `lost` is what task-assignment says for an agent that is gone. */
const statusBody = z.looseObject({
  task_id: id,
  agent_id: id,
  attempt: atLeastOne.optional(),
  status: z.enum(['accepted', 'progress', 'completed', 'failed', 'lost']),
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
});
export type TaskDone = z.infer<typeof doneBody>;

export const taskDone = defineMessage({ name: 'taskDone', subject: subjects.taskDone, by: 'COORDINATION_MESSAGES', body: doneBody });
