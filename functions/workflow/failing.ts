/** What goes wrong with a stage: it is published again, as it was, up to its attempts; then the workflow has failed, once. Pure. */
import { type Decision, done } from '#shared/entity/entity.ts';
import { output } from '#shared/messages/message.ts';
import { workflowError } from '#shared/messages/workflow.ts';
import { shortened } from '#shared/shortened.ts';
import {
  type Change,
  close,
  end,
  endStage,
  type Input,
  MAX_PUBLISHED_BYTES,
  note,
  open,
  publishedBytes,
  publishStage,
  setStage,
} from './change.ts';
import { type Ctx, keyOfStage, nextDue, running, type Stage, type Workflow } from './state.ts';

/** Before a stage that says error is tried again: so much after the first attempt, twice as much after each further one. */
const BACKOFF_MS = 1000;
/** An alarm that is so much too late tells of an outage, in which the workers were not heard: they get time to be, once an attempt. */
const LATE_MS = 2000;
const CATCH_UP_MS = 30_000;

export const fail = (change: Change, stage: Stage, said: unknown): void => {
  const error = shortened(said);
  const failed = endStage(change, stage, 'failed', { error });
  note(change, 'failed', failed, { error });
  end(change, 'failed', `stage ${keyOfStage(stage)} failed`, true);
  const body = { workflow_id: change.id, stage: keyOfStage(stage), error, status: 'failed' };
  change.publish.push(output(workflowError, { workflow_id: change.id }, body));
};

const mayTryAgain = ({ attempts, maxAttempts, unkept, inputs }: Stage): boolean => attempts < maxAttempts && !unkept && inputs.length > 0;

/** Its worker says that it went wrong. */
export const attemptFailed = (change: Change, stage: Stage, said: unknown, by?: string): void => {
  if (!mayTryAgain(stage)) {
    fail(change, stage, said);
    return;
  }
  const error = shortened(said);
  const due = change.now + Math.min(stage.timeout, BACKOFF_MS * 2 ** (stage.attempts - 1));
  note(change, 'error', stage, { error, ...(by && { agent_id: by }) });
  setStage(change, { ...stage, due, error });
};

const timedOut = (stage: Stage) => {
  const why = stage.unkept ? 'what it was given is too large to be kept and published again' : `${stage.attempts} attempts are used up`;
  return { code: 'stage_timed_out', message: `nobody continued stage ${keyOfStage(stage)} in time, and ${why}` };
};

/** Nobody continued it in time. */
const overdue = (change: Change, stage: Stage, { children }: Ctx): void => {
  const inputs = stage.inputs.flatMap((name) => (children.get(name) as Input | undefined) ?? []);
  if (!mayTryAgain(stage) || inputs.length === 0) {
    fail(change, stage, stage.error ?? timedOut(stage));
    return;
  }
  const { error: _, by: __, spared: ___, ...rest } = stage;
  const again = setStage(change, { ...rest, attempts: stage.attempts + 1, due: change.now + stage.timeout });
  for (const input of inputs)
    publishStage(change, again, { ...input, headers: { ...input.headers, 'X-Retry-Count': [String(stage.attempts)] } });
  note(change, 'retried', again, { attempt: again.attempts });
};

export const wake = (before: Workflow | undefined, context: Ctx): Decision<Workflow> => {
  const { now, wakeAt } = context;
  if (wakeAt === null || now < wakeAt) return done();
  if (before?.status !== 'running') return done({ wakeAt: null });
  const due = nextDue(before);
  if (due === null || now < due) return done({ wakeAt: due });
  const isLate = now - wakeAt > LATE_MS;
  const change = open(before, context);
  for (const { due = Infinity, ...stage } of running(before)) {
    // The others are still due, so it is woken again at once.
    if (publishedBytes(change) >= MAX_PUBLISHED_BYTES) break;
    const latest = change.workflow.stages[keyOfStage(stage)];
    if (due > now || latest?.status !== 'running') continue;
    if (isLate && !latest.spared) setStage(change, { ...latest, due: now + CATCH_UP_MS, spared: true });
    else overdue(change, latest, context);
  }
  return close(change);
};
