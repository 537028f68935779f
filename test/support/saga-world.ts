/**
 * A saga in virtual time for the pure core of `saga`: task-assignment as its contract says it (a task id is one task), agents
 * whose deeds are logged, and a bus that delays, repeats, reorders and loses what ends of tasks.
 */
import { sagas } from '#functions/saga/decide.ts';
import { settings } from '#functions/saga/settings.ts';
import type { View } from '#functions/saga/state.ts';
import { controlSagaCancel, controlSagaStart, type SagaStep } from '#shared/messages/control-coordination.ts';
import { type TaskOutcome, taskDone } from '#shared/messages/task.ts';
import type { Task } from '#shared/tasks/task.ts';
import { drive, received } from './decide.ts';

/** How a task goes. `acts`: it had its effect, whatever its end says. */
export type Deed = { outcome: TaskOutcome; acts: boolean; attempts: number; error?: unknown; result?: unknown };
/** When the end of a task is told, ms after it; none: never. */
export type Telling = readonly number[];
/** When a task that the saga asks for reaches task-assignment, ms after it: a bridge that dies before its acknowledgement says it again. */
export type Reaching = readonly number[];

export const ok = (result?: unknown): Deed => ({ outcome: 'completed', acts: true, attempts: 1, result });
export const failed: Deed = { outcome: 'failed', acts: false, attempts: 1, error: 'no room' };

type Submitted = { task_id: string; payload?: { do?: string; payload?: { undo?: string }; result?: unknown } };

type World = {
  deed?: (what: string, round: number) => Deed;
  telling?: () => Telling;
  reaching?: () => Reaching;
  environment?: Record<string, string>;
};

/** A step that does `name` and, unless it says otherwise, can undo it. */
export const step = (name: string, more: Partial<SagaStep> = {}): SagaStep => ({
  name,
  action: { capabilities: [name], payload: { do: name } },
  compensation: { capabilities: [`un${name}`], payload: { undo: name } },
  timeout_ms: 1000,
  max_attempts: 1,
  ...more,
});

export const sagaWorld = ({ deed = () => ok(), telling = () => [0], reaching = () => [0], environment = {} }: World = {}) => {
  const tasks = new Map<string, Task>();
  const story = drive(sagas, settings.parse(environment), { tasks } as View);
  /** `do hotel`, `undo hotel`: what had an effect, in order. */
  const log: string[] = [];
  const submitted: Submitted[] = [];
  const rounds = new Map<string, number>();
  let later: { at: number; run: () => void }[] = [];
  let heard = 0;

  const now = () => ({ sentAt: story.now() });
  const say = (after: number, run: () => void): void => {
    later.push({ at: story.now() + after, run });
  };

  const execute = (task: Submitted): void => {
    const { payload, task_id } = task;
    if (tasks.has(task_id)) return;
    submitted.push(task);
    const what = payload?.do !== undefined ? `do ${payload.do}` : `undo ${payload?.payload?.undo}`;
    const round = (rounds.get(what) ?? 0) + 1;
    rounds.set(what, round);
    const { outcome, acts, attempts, error, result } = deed(what, round);
    // To undo what was not done has no effect.
    if (acts && (payload?.do !== undefined || log.includes(what.slice('un'.length)))) log.push(what);
    const ended = { phase: 'ended', priority: 'normal', submittedAt: 0, tried: Array(attempts).fill('a1'), outcome, endedAt: story.now() };
    tasks.set(task_id, ended as Task);
    const body = { task_id, outcome, attempts, ...(error !== undefined && { error }), ...(result !== undefined && { result }) };
    for (const after of telling()) say(after, () => tell(received(taskDone, { task_id }, body, now())));
  };

  const obey = (): void => {
    for (; heard < story.published.length; heard++) {
      const { subject, body } = story.published[heard] as { subject: string; body: Submitted };
      if (subject === 'coordination.tasks.assignment') for (const after of reaching()) say(after, () => execute(body));
    }
  };

  const tell = (event: Parameters<typeof story.tell>[0]) => {
    const decision = story.tell(event);
    obey();
    return decision;
  };

  return {
    ...story,
    log,
    submitted,
    start: (steps: SagaStep[], saga_id = 's1') => tell(received(controlSagaStart, {}, { saga_id, steps }, now())),
    cancel: (saga_id = 's1') => tell(received(controlSagaCancel, {}, { saga_id, reason: 'not wanted' }, now())),
    done: (body: { task_id: string } & Record<string, unknown>) => tell(received(taskDone, { task_id: body.task_id }, body, now())),
    /** Lets everything happen that happens within ms. */
    pass: (ms: number): void => {
      const time = story.now() + ms;
      for (;;) {
        const next = Math.min(story.wakeAt('s1') ?? Infinity, ...later.map(({ at }) => at));
        if (next > time) break;
        story.until(next);
        obey();
        const due = later.filter(({ at }) => at <= next);
        later = later.filter(({ at }) => at > next);
        for (const { run } of due) run();
      }
      story.until(time);
    },
    /** What it says of itself: `complete hotel`, `error compensated`. */
    said: () =>
      story.published.flatMap(({ subject, body }) => {
        const { stage, status } = body as { stage?: string; status?: string };
        return subject.startsWith('coord.') ? [[subject.split('.')[2], status, stage].filter(Boolean).join(' ')] : [];
      }),
  };
};
