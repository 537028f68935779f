/**
 * Tasks for many: a broadcast to all agents that fit, `parallel` parts, a pipeline of stages, map_reduce (Dean and Ghemawat,
 * MapReduce, OSDI 2004). Each part is a task of an agent, and its end is what is heard; the group ends once, with what its parts
 * answered. What a decision asks for and reads is bounded: a large group goes on at its next alarm, which is at once.
 *
 * A part's task has an id made of the group's and its number, and task-assignment knows a task by its id: so each is in effect
 * once, however often it is asked for.
 */
import { type Alarm, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import { controlGroupCancel } from '#shared/messages/control-coordination.ts';
import type { Received } from '#shared/messages/message.ts';
import { task, taskDone } from '#shared/messages/task.ts';
import { shortened } from '#shared/shortened.ts';
import { counts, knowing, take, tell } from './answers.ts';
import { close, finish, verdict } from './finish.ts';
import { type Known, NOTHING } from './known.ts';
import { look, lookBack } from './look.ts';
import { askNext, type Ctx, type Draft, draftOf } from './parts.ts';
import { MAX_BYTES, planOf } from './plan.ts';
import { type GroupEvent, readView } from './read.ts';
import { planned, resolved } from './start.ts';
import { type Group, groupKind, partOf } from './state.ts';
import { labelOf } from './wire.ts';

type Change = Decision<Group>;

/** An alarm that is so much too late tells of an outage, in which ends were not heard: they have more to say than the table. */
const LATE_MS = 2000;
const CATCH_UP_MS = 30_000;
const UNREAD_MS = 30_000;

const knownOf = ({ view, id }: Ctx): Known => view.get(id) ?? NOTHING;

const outOfTime = (draft: Draft, known: Known, context: Ctx): Change =>
  close(draft, 'timed_out', { code: 'timed_out', message: `task ${context.id} did not end in its time` }, known, context);

/** Ends it, or asks for what comes next. */
const goOn = (before: Draft, known: Known, context: Ctx): Change => {
  const { now, id } = context;
  const end = verdict(before.group, id);
  // Parts whose time is over with that of the whole are not why.
  if (end?.outcome === 'failed' && now >= before.group.deadline) return outOfTime(before, known, context);
  if (end) return close(before, end.outcome, end.error, known, context);
  const { stopped, ...after } = askNext(tell(before, context), known, context);
  if (typeof stopped === 'object') {
    const message = `what part ${labelOf(after.group, stopped.tooLarge)} of task ${id} is given has more than ${MAX_BYTES} bytes: answer references, or lower the fan_in of its reduces`;
    return close(after, 'failed', { code: 'input_too_large', message }, known, context);
  }
  const { group, publish, children } = after;
  return done({ state: group, publish, children, wakeAt: stopped ? now : Math.min(group.deadline, group.lookAt) });
};

/** Goes on with what is known of a broadcast's agents. */
const resolve = (before: Draft, known: Known, context: Ctx): Change => {
  const next = resolved(before, known.targets, context);
  switch (next.status) {
    case 'more':
      return done({ state: next.draft.group, children: next.draft.children, wakeAt: context.now });
    case 'refused':
      return close(next.draft, next.outcome, next.error, known, context);
    case 'ready':
      return goOn(next.draft, known, context);
    default:
      throw next satisfies never;
  }
};

const start = (before: Group | undefined, event: Received<typeof task>, context: Ctx): Change => {
  if (before) return done();
  const { sentAt } = event;
  const answer = planOf(event.body);
  if ('refused' in answer) return { outcome: 'deadLetter', reason: answer.refused };
  const from = context.now - sentAt > LATE_MS ? context.now : sentAt;
  const { draft, pages } = planned(answer.plan, event, from, context);
  const known: Known = { ...knownOf(context), pages };
  if (draft.group.deadline <= context.now) return outOfTime(draft, known, context);
  return draft.group.phase === 'resolving' ? resolve(draft, known, context) : goOn(draft, known, context);
};

const hear = (before: Group | undefined, { body }: Received<typeof taskDone>, context: Ctx): Change => {
  const part = partOf(body.task_id);
  if (!before || !part || !counts(before, part.n, part.which)) return done();
  const { outcome, attempts = 0, result, error, duration_ms: tookMs } = body;
  const draft = take(draftOf(before), part.n, part.which, { outcome, attempts, result, error, tookMs }, context);
  return goOn(draft, knowing(knownOf(context), part.n, draft), context);
};

const cancel = (before: Group | undefined, { body }: Received<typeof controlGroupCancel>, context: Ctx): Change => {
  const { id: task_id } = context;
  const refuse = (code: string, message: string): Change => done({ reply: { error: { code, message } } });
  if (!before) return refuse('not_found', `no task for many ${task_id} is known: look at its id, or ask control.tasks.cancel`);
  if (before.outcome !== undefined) return refuse('already_ended', `task ${task_id} has ended already: ${before.outcome}`);
  const error = { code: 'cancelled', message: shortened(body.reason ?? `task ${task_id} was cancelled`) as string };
  return {
    ...close(draftOf(before), 'cancelled', error, knownOf(context), context),
    reply: { body: { task_id, outcome: 'cancelled' } },
  } as Change;
};

const wake = (before: Group | undefined, context: Ctx): Change => {
  const { now, wakeAt } = context;
  if (wakeAt === null || now < wakeAt) return done();
  if (!before) return done({ wakeAt: null });
  const [draft, known] = [draftOf(before), knownOf(context)];
  switch (before.phase) {
    case 'closing':
      return finish(draft, known, context, now + UNREAD_MS);
    case 'ended':
      return lookBack(before, known, context);
    case 'resolving':
      return now >= before.deadline ? outOfTime(draft, known, context) : resolve(draft, known, context);
    case 'running':
      if (wakeAt >= Math.min(before.deadline, before.lookAt) && now - wakeAt > LATE_MS) return done({ wakeAt: now + CATCH_UP_MS });
      if (now >= before.deadline) return outOfTime(draft, known, context);
      return goOn(now >= before.lookAt ? look(draft, known, context) : draft, known, context);
    default:
      throw before.phase satisfies never;
  }
};

export const decide = (before: Group | undefined, event: GroupEvent | Alarm, context: Ctx): Change => {
  switch (event.message) {
    case 'task':
      return start(before, event, context);
    case 'taskDone':
      return hear(before, event, context);
    case 'controlGroupCancel':
      return cancel(before, event, context);
    case 'alarm':
      return wake(before, context);
    default:
      throw event satisfies never;
  }
};

export const groups = defineEntity({
  of: groupKind,
  accepts: [task, taskDone, controlGroupCancel],
  id: (event) => (event.message === 'taskDone' ? (partOf(event.body.task_id)?.groupId ?? event.body.task_id) : event.body.task_id),
  decide,
  read: readView,
});
