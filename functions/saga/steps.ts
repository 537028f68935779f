/** Steps of a saga: forward while they succeed, then backward. Pure. */
import { type Decision, done, type Output } from '#shared/entity/entity.ts';
import type { TaskOutcome } from '#shared/messages/task.ts';
import { shortened } from '#shared/shortened.ts';
import { type Ctx, resultName, type Saga, type Step } from './state.ts';
import { ask, callPeople, progressed, stuck, undone } from './tell.ts';

type Change = Decision<Saga>;
/** How a step's task ended. `unheard`: it was read from the table, which keeps no error. */
export type Ended = { outcome: TaskOutcome; attempts: number; error?: unknown; unheard?: true };

/** A result that is larger is not handed to the compensation. */
const MAX_RESULT_BYTES = 300_000;
/** A task whose end should have been heard is looked at in the table, which keeps it for a week. */
export const LOOK_MS = { least: 30_000, most: 24 * 3_600_000 };

const setStep = (saga: Saga, at: number, change: Partial<Step>, now: number): Saga => ({
  ...saga,
  changedAt: now,
  steps: saga.steps.map((step, n) => (n === at ? { ...step, ...change, changedAt: now } : step)),
});

const within = (ms: number): number => Math.min(LOOK_MS.most, Math.max(LOOK_MS.least, ms));

/** A task waits for an agent and is worked at, each attempt for its timeout at most. */
const lookAt = (saga: Saga, { now, settings }: Ctx): number => {
  const { is } = saga.steps[saga.at] as Step;
  const longest = 2 * (is.timeout_ms ?? settings.timeout) * (is.max_attempts ?? settings.maxAttempts);
  return now + within(longest + LOOK_MS.least);
};

export const lookAgain = (saga: Saga, { now, settings }: Ctx): number =>
  now + within(saga.steps[saga.at]?.is.timeout_ms ?? settings.timeout);

/** Gives the step that the saga is at to an agent. */
export const send = ({ late: _, ...saga }: Saga, publish: Output[], context: Ctx): Change =>
  done({ state: saga, publish: [...publish, ask(saga, context)], wakeAt: lookAt(saga, context) });

/** Goes back to the step before that has something to undo; none: the saga is undone. */
const goBack = (before: Saga, publish: Output[], context: Ctx): Change => {
  const { now } = context;
  let saga: Saga = { ...before, phase: 'compensating', changedAt: now };
  for (let at = saga.at; at >= 0; at--) {
    const { status, is } = saga.steps[at] as Step;
    if (status !== 'done' && status !== 'uncertain') continue;
    if (is.compensation) return send(setStep({ ...saga, at }, at, { status: 'undoing', rounds: 1 }, now), publish, context);
    saga = setStep(saga, at, { status: 'kept' }, now);
  }
  const ended: Saga = { ...saga, phase: 'compensated' };
  return done({ state: ended, publish: [...publish, undone(ended, context)], wakeAt: null });
};

/** Whether an action that did not succeed may have had an effect all the same. */
const mayHaveActed = ({ outcome, attempts, error, unheard }: Ended): boolean => {
  const isLost = (error as { code?: unknown } | undefined)?.code === 'agent_lost';
  return attempts > 1 || (attempts === 1 && (outcome !== 'failed' || isLost || unheard === true));
};

export const acted = (before: Saga, ended: Ended, result: unknown, context: Ctx): Change => {
  const { id, now } = context;
  const { at, failure } = before;
  const { name } = (before.steps[at] as Step).is;
  if (ended.outcome !== 'completed') {
    const error = shortened(ended.error ?? { code: ended.outcome, message: `step ${name} ended as ${ended.outcome}` });
    const saga = setStep(before, at, { status: mayHaveActed(ended) ? 'uncertain' : 'failed', error }, now);
    return goBack({ ...saga, failure: failure ?? { step: name, error } }, [], context);
  }
  const keeps = result !== undefined && Buffer.byteLength(JSON.stringify(result)) <= MAX_RESULT_BYTES;
  const children = keeps ? [{ name: resultName(at), data: result }] : [];
  const saga = setStep(before, at, { status: 'done' }, now);
  const said = progressed(id, { stage: name });
  // The compensation is asked for in this decision: what it is given is not read from the table.
  const known: Ctx = { ...context, children: new Map([...context.children, ...children.map((one) => [one.name, one.data] as const)]) };
  if (failure) return { ...goBack(saga, [said], known), children } as Change;
  if (at + 1 < saga.steps.length)
    return { ...send(setStep({ ...saga, at: at + 1 }, at + 1, { status: 'acting' }, now), [said], context), children } as Change;
  const state: Saga = { ...saga, phase: 'completed' };
  return done({ state, publish: [said, progressed(id, { status: 'completed' })], wakeAt: null, children });
};

export const compensated = (before: Saga, ended: Ended, context: Ctx): Change => {
  const { id, now, settings } = context;
  const { at } = before;
  const step = before.steps[at] as Step;
  if (ended.outcome === 'completed') {
    const saga = setStep(before, at, { status: 'undone' }, now);
    return goBack(saga, [progressed(id, { stage: step.is.name, status: 'undone' })], context);
  }
  const error = shortened(ended.error ?? { code: ended.outcome, message: `its compensation ended as ${ended.outcome}` });
  const saga: Saga = { ...setStep(before, at, { error }, now), resting: true };
  if (step.rounds % settings.undo.rounds > 0)
    return done({ state: saga, wakeAt: now + Math.min(settings.undo.most, settings.undo.backoff * 2 ** (step.rounds - 1)) });
  const state: Saga = { ...saga, phase: 'stuck' };
  return done({ state, publish: [callPeople(stuck(id, step), context), undone(state, context)], wakeAt: null });
};

export const askAgain = ({ resting: _, ...before }: Saga, context: Ctx): Change => {
  const { rounds } = before.steps[before.at] as Step;
  return send(setStep({ ...before, phase: 'compensating' }, before.at, { rounds: rounds + 1 }, context.now), [], context);
};
