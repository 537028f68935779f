/**
 * Gives each task to one agent at a time until it ends, and says once how: `completed`, `failed` or `timed_out` when the
 * attempts are used up, `unassigned` when nobody had room for it in its time, `cancelled`.
 *
 * An attempt is given up on when its agent fails it, is gone, does not accept it in time or does not finish it in time. What
 * its agent says afterwards is ignored; a result, which is work lost, raises an alert. A task that nobody can take waits in
 * the order of priority and age: an agent that gets a free slot takes the first that it can do. A task of its own looks again
 * from time to time, because the queue is read with a lag.
 */
import { type Alarm, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import { type EntityKey, idOf } from '#shared/entity/key.ts';
import { controlTasksCancel } from '#shared/messages/control.ts';
import type { Received } from '#shared/messages/message.ts';
import { type TaskOutcome, task, taskStatus } from '#shared/messages/task.ts';
import { needOf } from '#shared/tasks/need.ts';
import { ended, ignored, reported } from '#shared/tasks/outputs.ts';
import { slotsKey } from '#shared/tasks/slots.ts';
import { type ActiveTask, agentOf, type Task, taskKind, type WaitingTask, type Work, workOf } from '#shared/tasks/task.ts';
import { markerKey } from '#shared/tasks/waiting.ts';
import {
  type Books,
  type Ctx,
  closeBooks,
  dequeue,
  enqueue,
  free,
  openBooks,
  place,
  pull,
  queueKeys,
  shortlist,
  type View,
} from './books.ts';
import { readForTasks, type TaskEvent } from './view.ts';

const MAX_TIMEOUT_MS = 7 * 24 * 3_600_000;
const MAX_ATTEMPTS = 100;
/** A waiting task looks again after half of the time that it waits already, within these bounds. */
const LOOK_AGAIN_MS = { least: 1000, most: 15_000 };
/** An alarm that is so much too late tells of an outage, in which the agents were not heard: they get time to be. */
const LATE_MS = 2000;
const CATCH_UP_MS = 30_000;

type Change = Decision<Task>;

const submit = (before: Task | undefined, { body, sentAt }: Received<typeof task>, context: Ctx): Change => {
  if (before) return done();
  if (body.coordination_type !== 'assignment') {
    const message = `task ${context.id} asks for ${body.coordination_type}, which nobody does yet: send it as assignment`;
    return { outcome: 'deadLetter', reason: { code: 'not_supported', message } };
  }
  const {
    priority = 'normal',
    timeout_ms = context.settings.timeout,
    max_attempts = context.settings.maxAttempts,
  } = body.requirements ?? {};
  const work: Work = {
    priority,
    submittedAt: sentAt,
    tried: [],
    need: needOf(body),
    timeout: Math.min(timeout_ms, MAX_TIMEOUT_MS),
    maxAttempts: Math.min(max_attempts, MAX_ATTEMPTS),
    ...(body.payload !== undefined && { payload: body.payload }),
  };
  return placeOrWait(work, openBooks(), context);
};

const placeOrWait = (work: Work, books: Books, context: Ctx): Change => {
  const { now, id } = context;
  const active = place(id, work, books, context);
  if (active) return done({ state: active, wakeAt: active.acceptBy, ...closeBooks(books) });
  const waiting: WaitingTask = { phase: 'waiting', ...workOf(work), since: now, until: now + work.timeout };
  enqueue(id, work, books, context);
  return done({ state: waiting, wakeAt: nextLook(waiting, now), ...closeBooks(books) });
};

const nextLook = ({ since, until }: WaitingTask, now: number): number =>
  Math.min(until, now + Math.min(LOOK_AGAIN_MS.most, Math.max(LOOK_AGAIN_MS.least, Math.floor((now - since) / 2))));

const hear = (before: Task | undefined, event: Received<typeof taskStatus>, context: Ctx): Change => {
  const { agent_id, attempt, status, error, result } = event.body;
  // A client that chose the agent by itself: its tasks are none of ours.
  if (!before) return done();
  const isLatest = agent_id === agentOf(before) && (attempt === undefined || attempt === before.tried.length);
  if (before.phase !== 'active' || !isLatest) {
    const isRepeated = isLatest && before.phase === 'ended' && before.outcome === 'completed';
    return status === 'completed' && !isRepeated ? done({ publish: [ignored(before, event.body, context)] }) : done();
  }
  switch (status) {
    case 'accepted':
    case 'progress':
      return before.acceptBy === null ? done() : done({ state: { ...before, acceptBy: null }, wakeAt: before.deadline });
    case 'completed': {
      const books = openBooks();
      books.publish.push(reported(before, 'success', event.sentAt));
      return end(before, 'completed', { result }, books, context);
    }
    case 'failed':
    case 'lost':
      return giveUp(before, status, error, event.sentAt, context);
    default:
      throw status satisfies never;
  }
};

const giveUp = (before: ActiveTask, why: 'failed' | 'lost' | 'timed_out', error: unknown, at: number, context: Ctx): Change => {
  const books = openBooks();
  // That an agent is gone says nothing of how its calls go.
  if (why !== 'lost') books.publish.push(reported(before, 'failure', at));
  if (before.tried.length >= before.maxAttempts) return end(before, why === 'timed_out' ? why : 'failed', { error }, books, context);
  const agentId = agentOf(before) as string;
  free(agentId, context.id, books, context);
  const after = placeOrWait(before, books, context);
  if (why !== 'failed' || after.outcome !== 'done') return after;
  pull(agentId, 1, books, context);
  return { ...after, ...closeBooks(books) };
};

const end = (before: ActiveTask | WaitingTask, outcome: TaskOutcome, said: object, books: Books, context: Ctx): Change => {
  const { id, now } = context;
  const { priority, submittedAt, tried } = before;
  const state: Task = { phase: 'ended', priority, submittedAt, tried, outcome, endedAt: now };
  books.publish.push(ended(id, outcome, tried.length, said));
  if (before.phase === 'waiting') dequeue(id, before, books, context);
  else {
    const agentId = agentOf(before) as string;
    free(agentId, id, books, context);
    // Who just let a task run out of time is not given another at once.
    if (outcome !== 'timed_out') pull(agentId, 1, books, context);
  }
  return done({ state, wakeAt: null, ...closeBooks(books) });
};

const wake = (before: Task | undefined, context: Ctx): Change => {
  const { now, wakeAt, id } = context;
  if (wakeAt === null || now < wakeAt) return done();
  switch (before?.phase) {
    case 'waiting': {
      const books = openBooks();
      const active = place(id, before, books, context);
      if (active) {
        dequeue(id, before, books, context);
        return done({ state: active, wakeAt: active.acceptBy, ...closeBooks(books) });
      }
      return now < before.until ? done({ wakeAt: nextLook(before, now) }) : end(before, 'unassigned', {}, books, context);
    }
    case 'active': {
      const due = before.acceptBy ?? before.deadline;
      if (now < due) return done({ wakeAt: due });
      if (now - wakeAt > LATE_MS) return done({ wakeAt: now + CATCH_UP_MS });
      const what = before.acceptBy === null ? 'finish' : 'accept';
      const message = `agent ${agentOf(before)} did not ${what} task ${id} in time`;
      return giveUp(before, 'timed_out', { code: `not_${what}ed`, message }, now, context);
    }
    case 'ended':
    case undefined:
      return done({ wakeAt: null });
    default:
      throw before satisfies never;
  }
};

const cancel = (before: Task | undefined, { body }: Received<typeof controlTasksCancel>, context: Ctx): Change => {
  const task_id = context.id;
  if (!before) return done({ reply: { error: { code: 'not_found', message: `no task ${task_id} is known: look at its id` } } });
  if (before.phase === 'ended') {
    const message = `task ${task_id} has ended already: ${before.outcome}`;
    return done({ reply: { error: { code: 'already_ended', message } } });
  }
  const error = body.reason === undefined ? {} : { error: { code: 'cancelled', message: body.reason } };
  return { ...end(before, 'cancelled', error, openBooks(), context), reply: { body: { task_id, outcome: 'cancelled' } } } as Change;
};

export const decide = (before: Task | undefined, event: TaskEvent | Alarm, context: Ctx): Change => {
  switch (event.message) {
    case 'task':
      return submit(before, event, context);
    case 'taskStatus':
      return hear(before, event, context);
    case 'controlTasksCancel':
      return cancel(before, event, context);
    case 'alarm':
      return wake(before, context);
    default:
      throw event satisfies never;
  }
};

/** What `decide` may have to change: the agent's slots and who waits for it; its marker, and the slots of the best agents. */
const also = (before: Task | undefined, event: TaskEvent | Alarm, view: View): EntityKey[] => {
  if (event.message === 'task') {
    if (before || event.body.coordination_type !== 'assignment') return [];
    const { task_id, requirements } = event.body;
    const marker = markerKey(task_id, { priority: requirements?.priority ?? 'normal', submittedAt: event.sentAt });
    return [marker, ...shortlist(view, needOf(event.body), []).map(slotsKey)];
  }
  const quiet = event.message === 'taskStatus' && (event.body.status === 'accepted' || event.body.status === 'progress');
  if (!before || before.phase === 'ended' || quiet) return [];
  const id = event.message === 'alarm' ? idOf(event.key) : event.body.task_id;
  const agentId = before.phase === 'active' ? agentOf(before) : undefined;
  const keys = agentId === undefined ? [] : [slotsKey(agentId), ...queueKeys(view, agentId)];
  if (event.message === 'taskStatus' && event.body.status === 'completed') return keys;
  return [...keys, markerKey(id, before), ...shortlist(view, before.need, before.tried).map(slotsKey)];
};

export const tasks = defineEntity({
  of: taskKind,
  accepts: [task, taskStatus, controlTasksCancel],
  id: (event) => event.body.task_id,
  decide,
  also,
  read: readForTasks,
});
