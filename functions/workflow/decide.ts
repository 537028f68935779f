/**
 * Workflows: pipelines that hand themselves on (document 002) are followed, defined ones are driven, number by number, parallel
 * stages joined. A stage that nobody continues in time is published again as it was, up to its attempts; then the workflow has
 * failed, which is said once. What is cancelled is not tried again, and whoever continues it hears the cancel once more.
 */
import { type Alarm, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import { controlWorkflowCancel, controlWorkflowStart } from '#shared/messages/control-coordination.ts';
import type { Received } from '#shared/messages/message.ts';
import {
  pipelineComplete,
  pipelineStage,
  workflowCancel,
  workflowComplete,
  workflowError,
  workflowReady,
} from '#shared/messages/workflow.ts';
import { type Change, close, end, endStage, note, open, setStage } from './change.ts';
import { cancel, fresh, reasonOf, start } from './control.ts';
import { complete, inputOf, nextNumber } from './drive.ts';
import { attemptFailed, wake } from './failing.ts';
import { hearComplete, hearStage, senderOf } from './follow.ts';
import { type Ctx, numberOf, runningStage, runsInParallel, type Workflow, workflowKind } from './state.ts';

type Said = Received<typeof workflowReady | typeof workflowComplete | typeof workflowError>;
type Event =
  | Said
  | Received<typeof pipelineStage | typeof pipelineComplete | typeof workflowCancel>
  | Received<typeof controlWorkflowStart | typeof controlWorkflowCancel>;

/** Where the cancel comes before the first stage it is remembered, too. */
const hearCancel = (before: Workflow | undefined, { body }: Received<typeof workflowCancel>, context: Ctx): Decision<Workflow> => {
  if (before && before.status !== 'running') return done();
  const change = open(before ?? fresh('followed', context), context);
  end(change, 'cancelled', reasonOf(body), false);
  return close(change);
};

const hearPayload = (
  before: Workflow | undefined,
  event: Received<typeof pipelineStage | typeof pipelineComplete>,
  context: Ctx,
): Decision<Workflow> => {
  const change = open(before ?? fresh('followed', context), context);
  if (event.message === 'pipelineComplete') return hearComplete(change, event, context) ? close(change) : done();
  const { stage_number } = event.params;
  if (!/^\d{2}$/.test(stage_number)) {
    const message = `"${stage_number}" is no number of a stage: write two digits, such as ${numberOf(1)}`;
    return { outcome: 'deadLetter', reason: { code: 'bad_stage_number', message } };
  }
  return hearStage(change, event, context) ? close(change) : done();
};

const hear = (before: Workflow | undefined, event: Said, context: Ctx): Decision<Workflow> => {
  // Others say it of what is no workflow, a saga of itself.
  if (before?.status !== 'running') return done();
  const change = open(before, context);
  const stage = runningStage(before, event.body.stage);
  const by = senderOf(event);
  switch (event.message) {
    case 'workflowReady': {
      // It waits for its next attempt: whoever took the one before is done with it.
      if (!stage || stage.error !== undefined || (stage.by !== undefined && stage.by === by)) return done();
      setStage(change, { ...stage, due: context.now + stage.timeout, ...(by !== undefined && { by }) });
      note(change, 'ready', stage, by === undefined ? {} : { agent_id: by });
      return close(change);
    }
    case 'workflowError': {
      // Its next attempt is not made yet: it is the same error, told again.
      if (!stage || stage.error !== undefined) return done();
      attemptFailed(change, stage, event.body.error ?? 'no error was named', by);
      return close(change);
    }
    case 'workflowComplete':
      return partComplete(change, event, by, context);
    default:
      throw event satisfies never;
  }
};

const partComplete = (change: Change, { body }: Received<typeof workflowComplete>, by: string | undefined, context: Ctx) => {
  const stage = runningStage(change.workflow, body.stage);
  if (change.workflow.mode === 'defined') {
    // Said twice it would be taken for the next stage's word.
    if (!stage || (body.stage === undefined && nextNumber(change, stage.number) !== undefined)) return done<Workflow>();
    complete(change, stage, inputOf(body.result), { by }, context);
  } else if (body.stage === undefined) end(change, 'completed', undefined, false);
  else if (stage) {
    const ended = endStage(change, stage, 'complete', by === undefined ? {} : { by });
    note(change, 'complete', ended, by === undefined ? {} : { agent_id: by });
  } else return done<Workflow>();
  return close(change);
};

export const decide = (before: Workflow | undefined, event: Event | Alarm, context: Ctx): Decision<Workflow> => {
  switch (event.message) {
    case 'pipelineStage':
    case 'pipelineComplete':
      return hearPayload(before, event, context);
    case 'workflowReady':
    case 'workflowComplete':
    case 'workflowError':
      return hear(before, event, context);
    case 'workflowCancel':
      return hearCancel(before, event, context);
    case 'controlWorkflowStart':
      return start(before, event, context);
    case 'controlWorkflowCancel':
      return cancel(before, event, context);
    case 'alarm':
      return wake(before, context);
    default:
      throw event satisfies never;
  }
};

/** To publish a stage again, and to join results. */
const needsChildren = (before: Workflow | undefined, { message }: Event | Alarm): boolean =>
  before?.status === 'running' &&
  (message === 'alarm' || (before.mode === 'defined' && message === 'workflowComplete' && runsInParallel(before)));

export const workflows = defineEntity({
  of: workflowKind,
  accepts: [
    pipelineStage,
    pipelineComplete,
    workflowReady,
    workflowComplete,
    workflowError,
    workflowCancel,
    controlWorkflowStart,
    controlWorkflowCancel,
  ],
  id: (event) =>
    event.message === 'controlWorkflowStart' || event.message === 'controlWorkflowCancel'
      ? event.body.workflow_id
      : event.params.workflow_id,
  decide,
  needsChildren,
});
