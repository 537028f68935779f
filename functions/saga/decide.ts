/**
 * Sagas (Garcia-Molina and Salem, Sagas, SIGMOD 1987, backward recovery): steps one after the other, each a task of an agent.
 * When a step does not succeed, what was done is undone in reverse order, each compensation until it succeeds; one that keeps
 * failing is told to people and waits for them. A step that did not succeed but may have acted (an attempt ran out of time, its
 * agent was lost, or it took several) is undone as well, so a compensation has to bear that there is nothing to undo.
 *
 * A task's id is made of the saga, the step and the round, and task-assignment knows a task by its id: so each is in effect once,
 * however often it is asked for.
 */
import { contentId } from '#shared/content-id.ts';
import { type Alarm, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import { idOf } from '#shared/entity/key.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { controlSagaCancel, controlSagaStart } from '#shared/messages/control-coordination.ts';
import type { Received } from '#shared/messages/message.ts';
import { taskDone } from '#shared/messages/task.ts';
import { shortened } from '#shared/shortened.ts';
import { taskKind } from '#shared/tasks/task.ts';
import { type Ctx, type Saga, type Step, sagaKind, sagaOf, taskIdOf, type View } from './state.ts';
import { acted, askAgain, compensated, type Ended, LOOK_MS, lookAgain, send } from './steps.ts';
import { ask, callOff, callPeople, notTaken } from './tell.ts';

type Event = Received<typeof taskDone | typeof controlSagaStart | typeof controlSagaCancel>;
type Change = Decision<Saga>;

/** A definition must fit an item of the table with what becomes of it. */
const MAX_DEFINITION_BYTES = 200_000;
/** An alarm that is so much too late tells of an outage, in which the end was not heard: it gets time to be, once. */
const LATE_MS = 2000;

const refuse = (code: string, message: string): Change => done({ reply: { error: { code, message } } });

const start = (before: Saga | undefined, { body }: Received<typeof controlSagaStart>, context: Ctx): Change => {
  const { id, now } = context;
  const definition = contentId(body.steps);
  const reply = { body: { saga_id: id, steps: body.steps.length } };
  if (before?.definition === definition) return done({ reply });
  if (before) return refuse('already_known', `saga ${id} is known already: give this one another id`);
  if (Buffer.byteLength(JSON.stringify(body.steps)) > MAX_DEFINITION_BYTES)
    return refuse('too_large', `the steps have more than ${MAX_DEFINITION_BYTES} bytes: store payloads elsewhere and send references`);
  const steps = body.steps.map((is, n): Step => ({ is, status: n === 0 ? 'acting' : 'planned', rounds: 0, changedAt: now }));
  const by = body.by === undefined ? {} : { startedBy: body.by };
  const saga: Saga = { phase: 'acting', definition, startedAt: now, changedAt: now, ...by, steps, at: 0 };
  return { ...send(saga, [], context), reply } as Change;
};

/** The saga's own task has ended. Whatever else is said of tasks is of others, or was heard before. */
const advance = (before: Saga, ended: Ended, result: unknown, context: Ctx): Change => {
  const { status } = before.steps[before.at] as Step;
  return status === 'undoing' ? compensated(before, ended, context) : acted(before, ended, result, context);
};

const isOut = (saga: Saga | undefined): saga is Saga => (saga?.phase === 'acting' || saga?.phase === 'compensating') && !saga.resting;

const hear = (before: Saga | undefined, { body }: Received<typeof taskDone>, context: Ctx): Change => {
  if (!isOut(before) || taskIdOf(context.id, before) !== body.task_id) return done();
  const { outcome, attempts = 1, error, result } = body;
  return advance(before, { outcome, attempts, error }, result, context);
};

const cancel = (before: Saga | undefined, { body }: Received<typeof controlSagaCancel>, context: Ctx): Change => {
  const { id, now } = context;
  if (!before) return refuse('not_found', `no saga ${id} is known: look at its id`);
  if (before.phase === 'completed' || before.phase === 'compensated')
    return refuse('already_ended', `saga ${id} has ended already: ${before.phase}`);
  const reply = { body: { saga_id: id, phase: 'compensating' } };
  if (before.phase === 'stuck') return { ...askAgain(before, context), reply } as Change;
  if (before.phase === 'compensating' || before.failure) return done({ reply });
  const reason = shortened(body.reason ?? 'cancelled') as string;
  // Its step is undone when it has ended: it may be at work.
  const state: Saga = { ...before, changedAt: now, failure: { error: { code: 'cancelled', message: reason } } };
  return done({ state, publish: [callOff(before, reason, context)], wakeAt: lookAgain(before, context), reply });
};

const wake = (before: Saga | undefined, context: Ctx): Change => {
  const { now, wakeAt, id, view } = context;
  if (wakeAt === null || now < wakeAt) return done();
  if (before?.phase === 'compensating' && before.resting) return askAgain(before, context);
  if (!isOut(before)) return done({ wakeAt: null });
  const task = view.tasks.get(taskIdOf(id, before));
  const later = lookAgain(before, context);
  if (now - wakeAt > LATE_MS && !before.late) return done({ state: { ...before, late: true }, wakeAt: later });
  if (!task) return done({ publish: [ask(before, context), callPeople(notTaken(id, taskIdOf(id, before)), context)], wakeAt: later });
  if (task.phase === 'ended') {
    // Its end is on its way, and says more than the table.
    if (now - task.endedAt < LOOK_MS.least) return done({ wakeAt: later });
    return advance(before, { outcome: task.outcome, attempts: task.tried.length, unheard: true }, undefined, context);
  }
  const reason = (before.failure?.error as { message?: string } | undefined)?.message ?? 'cancelled';
  // The first word may not have reached it.
  if (before.phase === 'acting' && before.failure) return done({ publish: [callOff(before, reason, context)], wakeAt: later });
  return done({ wakeAt: later });
};

export const decide = (before: Saga | undefined, event: Event | Alarm, context: Ctx): Change => {
  switch (event.message) {
    case 'controlSagaStart':
      return start(before, event, context);
    case 'controlSagaCancel':
      return cancel(before, event, context);
    case 'taskDone':
      return hear(before, event, context);
    case 'alarm':
      return wake(before, context);
    default:
      throw event satisfies never;
  }
};

const read = async (events: readonly (Event | Alarm)[], reader: Reader): Promise<View> => {
  const ids = events.flatMap((event) => (event.message === 'alarm' ? idOf(event.key) : []));
  if (ids.length === 0) return { tasks: new Map() };
  const sagas = [...(await reader.load(sagaKind, ids))].filter(([, saga]) => isOut(saga));
  return {
    tasks: await reader.load(
      taskKind,
      sagas.map(([id, saga]) => taskIdOf(id, saga)),
    ),
  };
};

export const sagas = defineEntity({
  of: sagaKind,
  accepts: [taskDone, controlSagaStart, controlSagaCancel],
  id: (event) => (event.message === 'taskDone' ? sagaOf(event.body.task_id) : event.body.saga_id),
  decide,
  read,
  // A compensation is given what its action answered.
  needsChildren: (before, event) =>
    before?.phase === 'compensating' ||
    before?.phase === 'stuck' ||
    (before?.phase === 'acting' &&
      (event.message === 'alarm' ||
        (event.message === 'taskDone' && (event.body.outcome !== 'completed' || before.failure !== undefined)))),
});
