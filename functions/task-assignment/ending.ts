/** How an attempt is given up on, and how a task ends: once, its agent free for the next, those that depend on it told. Pure. */
import type { TaskOutcome } from '#shared/messages/task.ts';
import { ended, reported, unblocked } from '#shared/tasks/outputs.ts';
import { type ActiveTask, agentOf, type OpenTask, type Work, workOf } from '#shared/tasks/task.ts';
import { type Books, setTask } from './books.ts';
import { free, isInTime, placeOrWait, pull } from './placing.ts';

/** A task that was under way or waited, or that is not even begun. `said`: its `result` or `error`. */
export const end = (books: Books, taskId: string, before: OpenTask | Work, outcome: TaskOutcome, said: object): void => {
  const { now } = books.context;
  const { priority, submittedAt, tried, dependents = [] } = before;
  const isActive = 'phase' in before && before.phase === 'active';
  setTask(books, taskId, { phase: 'ended', priority, submittedAt, tried, outcome, endedAt: now });
  const took = isActive ? { duration_ms: Math.max(0, now - before.assignedAt) } : {};
  books.publish.push(ended(taskId, outcome, tried.length, { ...said, ...took }));
  for (const dependent of dependents) books.publish.push(unblocked(dependent, taskId, outcome));
  if (!isActive) return;
  const agentId = agentOf(before) as string;
  free(books, agentId, taskId);
  // Who just let a task run out of time is not given another at once.
  if (outcome !== 'timed_out') pull(books, agentId, 1);
};

/** Another attempt, if there may be one. `at`: when that was known, epoch ms. */
export const giveUp = (
  books: Books,
  taskId: string,
  before: ActiveTask,
  why: 'failed' | 'lost' | 'timed_out',
  error: unknown,
  at: number,
): void => {
  // That an agent is gone says nothing of how its calls go.
  if (why !== 'lost') books.publish.push(reported(before, 'failure', at));
  const isLast = before.tried.length >= before.maxAttempts;
  if (isLast || !isInTime(before, books.context.now))
    end(books, taskId, before, why === 'timed_out' || !isLast ? 'timed_out' : 'failed', { error });
  else again(books, taskId, before, why);
};

const again = (books: Books, taskId: string, before: ActiveTask, why: 'failed' | 'lost' | 'timed_out'): void => {
  const agentId = agentOf(before) as string;
  free(books, agentId, taskId);
  placeOrWait(books, taskId, workOf(before));
  if (why === 'failed') pull(books, agentId, 1);
};
