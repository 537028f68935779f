/** What an agent says of an attempt, and what is said for one that cannot speak or does not. Pure. */
import type { Done } from '#shared/entity/entity.ts';
import type { Received } from '#shared/messages/message.ts';
import type { taskStatus } from '#shared/messages/task.ts';
import { ignored, reported } from '#shared/tasks/outputs.ts';
import { type Attempt, changeAttempt, NO_TASKS, type Slots, slotsKey } from '#shared/tasks/slots.ts';
import type { ActiveTask, EndedTask, OpenTask } from '#shared/tasks/task.ts';
import { agentOf } from '#shared/tasks/task.ts';
import { type Ctx, closeBooks, openBooks, setSlots, taskIn } from './books.ts';
import { end, giveUp } from './ending.ts';

type Status = Received<typeof taskStatus>;

const MAX_PROGRESS_BYTES = 1000;

const isKept = (progress: unknown): boolean => progress !== undefined && Buffer.byteLength(JSON.stringify(progress)) <= MAX_PROGRESS_BYTES;

/** It has until its deadline. */
const goneOn = ({ overdue: _, ...attempt }: Attempt, { progress }: Status['body']): Attempt => ({
  ...attempt,
  due: attempt.deadline,
  accepted: true,
  ...(isKept(progress) && { progress }),
});

/** Of an attempt that was given up on, or a task that has ended. A result is work lost. */
const tooLate = (task: OpenTask | EndedTask, { body }: Status, context: Ctx): Done<Slots> => {
  const { agent_id, attempt, status } = body;
  const isLatest = agent_id === agentOf(task) && (attempt === undefined || attempt === task.tried.length);
  const isRepeated = isLatest && task.phase === 'ended' && task.outcome === 'completed';
  if (status !== 'completed' || isRepeated) return { outcome: 'done' };
  return { outcome: 'done', publish: [ignored(body.task_id, task, body, context)] };
};

export const hear = (slots: Slots = NO_TASKS, event: Status, context: Ctx): Done<Slots> => {
  const { task_id, agent_id, attempt, status, error, result } = event.body;
  const books = openBooks(context);
  const task = taskIn(books, task_id);
  // A client that chose the agent by itself: its tasks are none of ours.
  if (!task || task.phase === 'expected') return { outcome: 'done' };
  const held = slots.active[task_id];
  if (!held || task.phase !== 'active' || (attempt !== undefined && attempt !== held.attempt)) return tooLate(task, event, context);
  const active: ActiveTask = task;
  switch (status) {
    case 'accepted':
    case 'progress':
      setSlots(books, agent_id, changeAttempt(slots, task_id, goneOn(held, event.body)));
      break;
    case 'completed':
      books.publish.push(reported(active, 'success', event.sentAt));
      end(books, task_id, active, 'completed', { result });
      break;
    case 'failed':
    case 'lost':
      giveUp(books, task_id, active, status, error, event.sentAt);
      break;
    case 'overdue':
      // It spoke in the meantime.
      if (held.overdue) giveUp(books, task_id, active, 'timed_out', error, context.now);
      break;
    default:
      throw status satisfies never;
  }
  return closeBooks(books, slotsKey(agent_id));
};
