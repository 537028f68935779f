/**
 * A defined workflow goes on: when all stages of a number are complete, those of the next get their result: of one stage as
 * it is, of parallel ones joined into an object by their names. Pure.
 */
import { output } from '#shared/messages/message.ts';
import { opaqueValue } from '#shared/messages/opaque.ts';
import { pipelineComplete, workflowComplete } from '#shared/messages/workflow.ts';
import {
  type Change,
  end,
  endStage,
  type Input,
  keep,
  MAX_KEPT_BYTES,
  MAX_PUBLISHED_BYTES,
  note,
  publishStage,
  runStage,
} from './change.ts';
import { fail } from './failing.ts';
import { type Ctx, keyOfStage, type Stage, stagesOf } from './state.ts';

/** Of a joined result: a NATS server takes 1 MB by default. */
const MAX_JOINED_BYTES = 700_000;

/** A value as the bytes that a stage is given: text as it is, anything else as JSON. */
export const inputOf = (value: unknown): Input => ({
  data: typeof value === 'string' ? value : JSON.stringify(value ?? {}),
  encoding: 'utf8',
  headers: {},
});

const resultName = (stage: Stage): string => `result/${keyOfStage(stage)}`;

/** What each stage of a number may be given, in bytes: one decision gives it to all of them. */
export const mostFor = ({ workflow }: Pick<Change, 'workflow'>, number: number): number =>
  Math.floor(MAX_PUBLISHED_BYTES / stagesOf(workflow).filter((one) => one.number === number).length);

/** Publishes the stages of a number; `published`: the one that a worker has published by itself. */
export const begin = (change: Change, number: number, input: Input, published?: Stage, from?: string): void => {
  for (const stage of stagesOf(change.workflow).filter((one) => one.number === number)) {
    const started = runStage(change, stage, input, from);
    if (!started) continue;
    if (published === undefined || keyOfStage(stage) !== keyOfStage(published)) publishStage(change, started, input);
    note(change, 'started', started);
  }
};

export const nextNumber = (change: Change, after: number): number | undefined =>
  stagesOf(change.workflow).find(({ number }) => number > after)?.number;

/** The results of parallel stages by their names; undefined: one is missing. */
const join = (change: Change, stages: readonly Stage[], { children }: Ctx): Input | undefined => {
  const kept = new Map<string, unknown>([...children, ...change.children.map(({ name, data }) => [name, data] as const)]);
  const results = stages.map((stage) => [stage.name, kept.get(resultName(stage)) as Input | undefined] as const);
  if (results.some(([, result]) => result === undefined)) return undefined;
  return inputOf(Object.fromEntries(results.map(([name, result]) => [name, opaqueValue(result as Input)])));
};

const tooLarge = (what: string, bytes: number, most: number) => ({
  code: 'result_too_large',
  message: `${what} has ${bytes} bytes, at most ${most} are taken: store it elsewhere and send a reference`,
});

export type Told = {
  by?: string | undefined;
  /** The next stage, where the worker has published it by itself. */
  published?: Stage;
  /** The worker has published the workflow's result by itself. */
  completed?: true;
};

/** A stage's worker has handed in its result. */
export const complete = (change: Change, stage: Stage, result: Input, { by, published, completed }: Told, context: Ctx): void => {
  const siblings = stagesOf(change.workflow).filter(({ number }) => number === stage.number);
  const bytes = Buffer.byteLength(result.data);
  if (siblings.length > 1 && bytes > MAX_KEPT_BYTES) {
    fail(change, stage, tooLarge('its result', bytes, MAX_KEPT_BYTES));
    return;
  }
  const ended = endStage(change, stage, 'complete', by === undefined ? {} : { by });
  note(change, 'complete', ended, by === undefined ? {} : { agent_id: by });
  if (siblings.length > 1) keep(change, resultName(ended), { ...result, headers: {} });
  if (siblings.some((one) => one.status !== 'complete' && keyOfStage(one) !== keyOfStage(stage))) return;
  const joined = siblings.length > 1 ? join(change, siblings, context) : result;
  if (!joined) {
    fail(change, ended, { code: 'result_missing', message: 'a result of its parallel stages is not kept any more' });
    return;
  }
  const next = nextNumber(change, stage.number);
  const size = Buffer.byteLength(joined.data);
  const most = Math.min(siblings.length > 1 ? MAX_JOINED_BYTES : Infinity, next === undefined ? Infinity : mostFor(change, next));
  if (size > most) {
    fail(change, ended, tooLarge(siblings.length > 1 ? 'the joined result' : 'its result', size, most));
    return;
  }
  if (siblings.length > 1) change.drop.push(...siblings.map(resultName));
  if (next !== undefined) {
    begin(change, next, joined, published, by);
    return;
  }
  finish(change, joined, completed);
};

const finish = (change: Change, { data, encoding }: Input, isTold = false): void => {
  const params = { workflow_id: change.id };
  if (!isTold) change.publish.push(output(pipelineComplete, params, { data, encoding }));
  end(change, 'completed', undefined, false);
  change.publish.push(output(workflowComplete, params, { workflow_id: change.id, status: 'completed' }));
};
