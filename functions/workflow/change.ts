/** What a decision changes of a workflow, gathered while it is decided: stages, children, history, messages. Pure. */
import { contentId } from '#shared/content-id.ts';
import type { Headers } from '#shared/contract.ts';
import { type Child, type Decision, done, type Output } from '#shared/entity/entity.ts';
import { iso } from '#shared/iso.ts';
import { output } from '#shared/messages/message.ts';
import type { Opaque } from '#shared/messages/opaque.ts';
import { pipelineStage, workflowCancel } from '#shared/messages/workflow.ts';
import { type Ctx, KEEP_MS, keyOfStage, nextDue, numberOf, running, type Stage, type Workflow } from './state.ts';

/** Of what a stage is given: it must fit an item of the table. */
export const MAX_KEPT_BYTES = 350_000;
/** Of what one decision publishes, about: an answer of Lambda has 6 MB. */
export const MAX_PUBLISHED_BYTES = 2_000_000;
/** A stage that is published by several keeps so many of their messages, and no more than can be published again. */
const MAX_INPUTS = 16;
/** Entries of a workflow's history. */
const MAX_EVENTS = 1000;

/** A message as it is kept for a later attempt. */
export type Input = Opaque & { headers: Headers };

export type Change = { workflow: Workflow; id: string; now: number; publish: Output[]; children: Child[]; drop: string[] };

export const open = (workflow: Workflow, { id, now }: Ctx): Change => ({ workflow, id, now, publish: [], children: [], drop: [] });

export const close = ({ workflow, now, publish, children, drop }: Change): Decision<Workflow> => {
  const state = { ...workflow, changedAt: now };
  return done({ state, wakeAt: workflow.status === 'running' ? nextDue(state) : null, publish, children, drop });
};

export const keep = (change: Change, name: string, data: unknown): void => {
  change.children.push({ name, data, expiresAt: change.now + KEEP_MS });
};

export const HISTORY = 'history/';

/** One line of the history; beyond its bound it is left out. */
export const note = (change: Change, event: string, stage?: Stage, more: object = {}): void => {
  const { workflow, now } = change;
  if (workflow.events >= MAX_EVENTS) return;
  keep(change, `${HISTORY}${String(workflow.events).padStart(4, '0')}`, {
    at: iso(now),
    event,
    ...(stage && { stage: keyOfStage(stage) }),
    ...more,
  });
  change.workflow = { ...workflow, events: workflow.events + 1 };
};

export const setStage = (change: Change, stage: Stage): Stage => {
  change.workflow = { ...change.workflow, stages: { ...change.workflow.stages, [keyOfStage(stage)]: stage } };
  return stage;
};

/** Ends a stage, or the attempt at it: what it was given is not needed any more. */
export const endStage = (change: Change, stage: Stage, status: Stage['status'], more: Partial<Stage> = {}): Stage => {
  const { due: _, bytes: __, ...rest } = stage;
  change.drop.push(...stage.inputs);
  return setStage(change, { ...rest, status, endedAt: change.now, inputs: [], ...more });
};

/** The stage runs, with this message among what it was given. Answers undefined where it was given the same before. */
export const runStage = (change: Change, stage: Stage, input: Input, from?: string): Stage | undefined => {
  const name = `input/${keyOfStage(stage)}/${contentId({ data: input.data, encoding: input.encoding })}`;
  if (stage.inputs.includes(name)) return undefined;
  const size = Buffer.byteLength(JSON.stringify(input));
  const bytes = (stage.bytes ?? 0) + size;
  const fits = size <= MAX_KEPT_BYTES && stage.inputs.length < MAX_INPUTS && bytes <= MAX_PUBLISHED_BYTES;
  if (fits) keep(change, name, input);
  return setStage(change, {
    ...stage,
    status: 'running',
    attempts: Math.max(1, stage.attempts),
    startedAt: stage.startedAt ?? change.now,
    due: change.now + stage.timeout,
    ...(fits ? { inputs: [...stage.inputs, name], bytes } : { unkept: true as const }),
    ...(from !== undefined && { from }),
  });
};

export const publishStage = (change: Change, { number, name }: Stage, { data, encoding, headers }: Input): void => {
  change.publish.push(
    output(pipelineStage, { workflow_id: change.id, stage_number: numberOf(number), stage: name }, { data, encoding }, headers),
  );
};

/** Of stages, so far. */
export const publishedBytes = ({ publish }: Change): number => publish.reduce((sum, { raw }) => sum + (raw?.data.length ?? 0), 0);

/** Tells whoever works at it. Stages hear `coord.<wf>.cancel` by themselves: no command of an agent ends one piece of work. */
export const tellCancelled = (change: Change, stages: readonly Stage[], reason: string): void => {
  const body = { workflow_id: change.id, reason, stages: stages.map(keyOfStage) };
  change.publish.push(output(workflowCancel, { workflow_id: change.id }, body));
};

/** The workflow ends: what still runs is cancelled, and told so unless it was who said it. */
export const end = (change: Change, status: Workflow['status'], reason: string | undefined, tell: boolean): void => {
  const under = running(change.workflow);
  for (const stage of under) endStage(change, stage, status === 'completed' ? 'complete' : 'cancelled');
  change.workflow = { ...change.workflow, status, ...(reason !== undefined && { reason }) };
  note(change, status, undefined, reason === undefined ? {} : { reason });
  if (tell && under.length > 0) tellCancelled(change, under, reason ?? status);
};
