/**
 * Gives each task to one agent at a time until it ends, and says once how: `completed`, `failed` or `timed_out` when the
 * attempts or the budget are used up, `unassigned` when nobody had room for it in its time, `cancelled`.
 *
 * An attempt is given up on when its agent fails it, is gone, does not accept it in time or does not finish it in time. What
 * its agent says afterwards is ignored; a result, which is work lost, raises an alert. A task that nobody can take waits in
 * the order of priority and age: an agent that gets a free slot takes the first that it can do. A task of its own looks again
 * from time to time, because the queue is read with a lag.
 */
import { type Alarm, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import { type EntityKey, idOf } from '#shared/entity/key.ts';
import { iso } from '#shared/iso.ts';
import { controlTasksCancel } from '#shared/messages/control.ts';
import type { Received } from '#shared/messages/message.ts';
import { task, taskUnblocked } from '#shared/messages/task.ts';
import { slotsKey } from '#shared/tasks/slots.ts';
import { agentOf, isOpen, type Task, taskKey, taskKind, workOf } from '#shared/tasks/task.ts';
import { markerKey } from '#shared/tasks/waiting.ts';
import { type Ctx, closeBooks, openBooks, setSlots, setTask, slotsIn, type View } from './books.ts';
import { end } from './ending.ts';
import { nextLook, place, placeOrWait } from './placing.ts';
import { mayQueue, submit, workFrom } from './submit.ts';
import { readForTasks, type TaskEvent } from './view.ts';

type Change = Decision<Task>;

/** A task that it waited for has ended. */
const proceed = (before: Task | undefined, { body }: Received<typeof taskUnblocked>, context: Ctx): Change => {
  if (before?.phase !== 'blocked' || !before.waitsFor.includes(body.by)) return done();
  const { id } = context;
  const books = openBooks(context);
  const waitsFor = before.waitsFor.filter((other) => other !== body.by);
  if (body.outcome !== 'completed') {
    const message = `task ${id} depends on task ${body.by}, which ended as ${body.outcome}`;
    end(books, id, before, 'failed', { error: { code: 'dependency_failed', message } });
  } else if (waitsFor.length > 0) setTask(books, id, { ...before, waitsFor });
  else placeOrWait(books, id, workOf(before));
  return closeBooks(books, taskKey(id));
};

const wake = (before: Task | undefined, context: Ctx): Change => {
  const { now, wakeAt, id } = context;
  if (wakeAt === null || now < wakeAt || !isOpen(before)) return done();
  const books = openBooks(context);
  switch (before.phase) {
    case 'blocked': {
      const message = `task ${id} waited until ${iso(before.until)} for ${before.waitsFor.join(', ')}`;
      end(books, id, before, 'unassigned', { error: { code: 'dependency_open', message } });
      break;
    }
    case 'waiting':
      if (place(books, id, before)) break;
      if (now < before.until) setTask(books, id, { ...before, lookAt: nextLook(before, now), queued: true });
      else end(books, id, before, now < (before.deadline ?? Infinity) ? 'unassigned' : 'timed_out', {});
      break;
    case 'active': {
      // From before its alarm was in the slots of its agent: there it goes.
      const agentId = agentOf(before) as string;
      setSlots(books, agentId, slotsIn(books, agentId));
      setTask(books, id, before);
      break;
    }
    default:
      throw before satisfies never;
  }
  return closeBooks(books, taskKey(id));
};

const cancel = (before: Task | undefined, { body }: Received<typeof controlTasksCancel>, context: Ctx): Change => {
  const task_id = context.id;
  if (before?.phase === 'ended') {
    const message = `task ${task_id} has ended already: ${before.outcome}`;
    return done({ reply: { error: { code: 'already_ended', message } } });
  }
  if (!isOpen(before)) {
    const message = `no task ${task_id} is known: look at its id; a task for many is cancelled by control.group.cancel`;
    return done({ reply: { error: { code: 'not_found', message } } });
  }
  const books = openBooks(context);
  end(books, task_id, before, 'cancelled', body.reason === undefined ? {} : { error: { code: 'cancelled', message: body.reason } });
  return { ...closeBooks<Task>(books, taskKey(task_id)), reply: { body: { task_id, outcome: 'cancelled' } } };
};

export const decide = (before: Task | undefined, event: TaskEvent | Alarm, context: Ctx): Change => {
  switch (event.message) {
    case 'task':
      return submit(before, event, context);
    case 'taskUnblocked':
      return proceed(before, event, context);
    case 'controlTasksCancel':
      return cancel(before, event, context);
    case 'alarm':
      return wake(before, context);
    default:
      throw event satisfies never;
  }
};

/** Besides what is shared: its marker, the slots that it has, the tasks that it depends on. */
const also = (before: Task | undefined, event: TaskEvent | Alarm, view: View): EntityKey[] => {
  if (event.message === 'task') {
    if (before && before.phase !== 'expected') return [];
    const { task_id, requirements: { depends_on = [] } = {} } = event.body;
    return [...(mayQueue(event, view) ? [markerKey(task_id, workFrom(event))] : []), ...depends_on.map(taskKey)];
  }
  if (!isOpen(before)) return [];
  const id = event.message === 'alarm' ? idOf(event.key) : event.body.task_id;
  return before.phase === 'active' ? [slotsKey(agentOf(before) as string)] : [markerKey(id, before)];
};

export const tasks = defineEntity({
  of: taskKind,
  accepts: [task, taskUnblocked, controlTasksCancel],
  id: (event) => event.body.task_id,
  decide,
  also,
  shared: (view) => view.shared,
  begins: ({ message }) => message === 'task',
  read: readForTasks,
});
