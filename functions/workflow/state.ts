/**
 * A workflow as it is kept: its stages in its state; what they were given, parallel results that wait to be joined, and the
 * history as children. Pure.
 */
import * as z from 'zod';
import type { Context } from '#shared/entity/entity.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';
import { WORKFLOW_STATUSES } from '#shared/messages/control-coordination.ts';
import type { Settings } from './settings.ts';

export const KEEP_MS = 7 * 24 * 3_600_000;
/** Of one workflow: they must fit an item of the table. */
export const MAX_STAGES = 100;
/** Of a stage: as long as its stream keeps it. */
export const MAX_TIMEOUT_MS = 48 * 3_600_000;

const stageSchema = z.object({
  number: z.int(),
  name: z.string(),
  status: z.enum(['planned', 'running', 'complete', 'failed', 'cancelled']),
  /** ms that an attempt may take. */
  timeout: z.number(),
  maxAttempts: z.number(),
  /** How often it was published. */
  attempts: z.int(),
  /** The agent that published it, and the one that works or worked at it, as far as they said. */
  from: z.string().optional(),
  by: z.string().optional(),
  /** Epoch ms. */
  startedAt: z.number().optional(),
  endedAt: z.number().optional(),
  /** When it is published again or given up, epoch ms. */
  due: z.number().optional(),
  /** It was given more time after an outage. */
  spared: z.literal(true).optional(),
  /** The children that hold what it was given, while it runs. */
  inputs: z.array(z.string()),
  /** Of all of them. */
  bytes: z.number().optional(),
  /** It was given more than can be kept, so it cannot be published again. */
  unkept: z.literal(true).optional(),
  error: z.unknown().optional(),
});
export type Stage = z.infer<typeof stageSchema>;

const stateSchema = z.object({
  /** `defined`: driven by this function. `followed`: its workers hand it on by themselves, as in document 002. */
  mode: z.enum(['defined', 'followed']),
  status: z.enum(WORKFLOW_STATUSES),
  startedAt: z.number(),
  changedAt: z.number(),
  startedBy: z.string().optional(),
  reason: z.string().optional(),
  /** Of its definition: the same one twice is one workflow. */
  definition: z.string().optional(),
  /** By `<NN>.<name>`. */
  stages: z.record(z.string(), stageSchema),
  /** Entries of the history. */
  events: z.int(),
});
export type Workflow = z.infer<typeof stateSchema>;
export type Ctx = Context<Settings>;

export const workflowKind: Kind<Workflow> = {
  kind: 'workflow',
  schema: stateSchema,
  version: 1,
  expiresAt: ({ changedAt }) => changedAt + KEEP_MS,
  lookup: ({ status }) => lookupOf(status),
};

export const lookupOf = (status: Workflow['status']): string => `workflow.${status}`;

export const numberOf = (number: number): string => String(number).padStart(2, '0');
export const keyOfStage = ({ number, name }: Pick<Stage, 'number' | 'name'>): string => `${numberOf(number)}.${name}`;

/** In order. */
export const stagesOf = ({ stages }: Workflow): Stage[] =>
  Object.values(stages).sort((a, b) => a.number - b.number || (a.name < b.name ? -1 : 1));

export const running = (workflow: Workflow): Stage[] => stagesOf(workflow).filter(({ status }) => status === 'running');

/**
 * The running stage that is named, or the only one where none is named. A name alone (`analyze`) has to be one stage's: said twice
 * of `01.review`, it would be taken for the word of `03.review`.
 */
export const runningStage = (workflow: Workflow, named: string | undefined): Stage | undefined => {
  const all =
    named === undefined ? running(workflow) : stagesOf(workflow).filter((stage) => named === stage.name || named === keyOfStage(stage));
  return all.length === 1 && all[0]?.status === 'running' ? all[0] : undefined;
};

/** Whether a stage that runs has others of its number. */
export const runsInParallel = (workflow: Workflow): boolean =>
  running(workflow).some((stage) => stagesOf(workflow).filter(({ number }) => number === stage.number).length > 1);

/** The next moment at which a running stage is due. */
export const nextDue = (workflow: Workflow): number | null => {
  const dues = running(workflow).flatMap(({ due }) => due ?? []);
  return dues.length === 0 ? null : Math.min(...dues);
};

/** As an operator sees it. */
export const toWire = (workflow_id: string, workflow: Workflow) => {
  const stages = stagesOf(workflow);
  return {
    workflow_id,
    mode: workflow.mode,
    status: workflow.status,
    started_at: iso(workflow.startedAt),
    changed_at: iso(workflow.changedAt),
    ...(workflow.startedBy !== undefined && { started_by: workflow.startedBy }),
    ...(workflow.reason !== undefined && { reason: workflow.reason }),
    progress: { complete: stages.filter(({ status }) => status === 'complete').length, known: stages.length },
  };
};

export const stageToWire = (stage: Stage) => ({
  stage: keyOfStage(stage),
  status: stage.status,
  attempts: stage.attempts,
  ...(stage.from !== undefined && { from_agent: stage.from }),
  ...(stage.by !== undefined && { agent_id: stage.by }),
  ...(stage.startedAt !== undefined && { started_at: iso(stage.startedAt) }),
  ...(stage.endedAt !== undefined && { ended_at: iso(stage.endedAt) }),
  ...(stage.due !== undefined && { due: iso(stage.due) }),
  ...(stage.error !== undefined && { error: stage.error }),
});
