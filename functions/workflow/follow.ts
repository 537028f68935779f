/**
 * What workers say, in a workflow that they hand on by themselves (document 002) and in one that is driven. In the first nobody
 * says which stage a message continues: the first message of a higher number continues all stages below it.
 */

import { headerOf } from '#shared/messages/headers.ts';
import type { Received } from '#shared/messages/message.ts';
import type { pipelineComplete, pipelineStage } from '#shared/messages/workflow.ts';
import { type Change, end, endStage, type Input, note, runStage, tellCancelled } from './change.ts';
import { complete, nextNumber } from './drive.ts';
import { type Ctx, keyOfStage, MAX_STAGES, MAX_TIMEOUT_MS, running, runningStage, runsInParallel, type Stage, stagesOf } from './state.ts';

type Payload = Received<typeof pipelineStage | typeof pipelineComplete>;

const MAX_AGENT_ID = 100;

export const senderOf = ({ headers }: Pick<Payload, 'headers'>): string | undefined =>
  headerOf(headers, 'X-Agent-ID')?.slice(0, MAX_AGENT_ID);

/** Without what NATS itself made of it: the id of a message would make its repetition a duplicate. */
export const inputFrom = ({ body: { data, encoding }, headers }: Payload): Input => ({
  data,
  encoding,
  headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !name.toLowerCase().startsWith('nats-'))),
});

const continueLower = (change: Change, number: number, by: string | undefined): void => {
  for (const stage of running(change.workflow).filter((one) => one.number < number)) {
    const ended = endStage(change, stage, 'complete', by === undefined ? {} : { by });
    note(change, 'complete', ended, by === undefined ? {} : { agent_id: by });
  }
};

const timeoutOf = (event: Payload, { settings }: Ctx): number => {
  const said = Number(headerOf(event.headers, 'X-Timeout-Ms'));
  return Math.min(Number.isInteger(said) && said > 0 ? said : settings.timeout, MAX_TIMEOUT_MS);
};

export const seen = (event: Received<typeof pipelineStage>, context: Ctx): Stage => ({
  number: Number(event.params.stage_number),
  name: event.params.stage,
  status: 'planned',
  timeout: timeoutOf(event, context),
  maxAttempts: context.settings.maxAttempts,
  attempts: 0,
  inputs: [],
});

/** `false`: it tells nothing new. */
const follow = (change: Change, event: Received<typeof pipelineStage>, context: Ctx): boolean => {
  const found = seen(event, context);
  const known = change.workflow.stages[keyOfStage(found)];
  if (known && known.status !== 'running') return false;
  const by = senderOf(event);
  if (!known && Object.keys(change.workflow.stages).length >= MAX_STAGES) {
    note(change, 'not_followed', found);
    continueLower(change, found.number, by);
    return true;
  }
  const isPassed = stagesOf(change.workflow).some(({ number }) => number > found.number);
  const started = runStage(change, known ?? found, inputFrom(event), by);
  if (!started) return false;
  note(change, known ? 'joined' : 'started', started, by === undefined ? {} : { from_agent: by });
  // It was continued before it was heard of.
  if (isPassed && !known) endStage(change, started, 'complete');
  continueLower(change, found.number, by);
  return true;
};

/** The stage of a driven workflow that a worker may hand on by itself. With parallel ones what it published is its own result, not the joined one. */
const onlyStage = ({ workflow }: Change): Stage | undefined => (runsInParallel(workflow) ? undefined : runningStage(workflow, undefined));

const handOn = (change: Change, event: Received<typeof pipelineStage>, context: Ctx): boolean => {
  const next = change.workflow.stages[keyOfStage(seen(event, context))];
  const stage = onlyStage(change);
  if (!stage || next?.status !== 'planned' || next.number !== nextNumber(change, stage.number)) return false;
  complete(change, stage, inputFrom(event), { by: senderOf(event), published: next }, context);
  return true;
};

export const hearStage = (change: Change, event: Received<typeof pipelineStage>, context: Ctx): boolean => {
  const { status, mode } = change.workflow;
  if (status === 'cancelled') {
    // Whoever takes it next does not know.
    tellCancelled(change, [seen(event, context)], change.workflow.reason ?? 'cancelled');
    note(change, 'late', seen(event, context));
    return true;
  }
  if (status !== 'running') return false;
  return mode === 'defined' ? handOn(change, event, context) : follow(change, event, context);
};

export const hearComplete = (change: Change, event: Received<typeof pipelineComplete>, context: Ctx): boolean => {
  const { status, mode } = change.workflow;
  if (status !== 'running') return false;
  const by = senderOf(event);
  if (mode === 'followed') {
    continueLower(change, Infinity, by);
    end(change, 'completed', undefined, false);
    return true;
  }
  const stage = onlyStage(change);
  // Only the last one completes a pipeline.
  if (!stage || nextNumber(change, stage.number) !== undefined) return false;
  complete(change, stage, inputFrom(event), { by, completed: true }, context);
  return true;
};
