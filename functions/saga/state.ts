/** A saga as it is kept: its steps as they were defined, and where each is; the results of actions are children. Pure. */
import * as z from 'zod';
import type { Context } from '#shared/entity/entity.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';
import { SAGA_PHASES, type SagaStep } from '#shared/messages/control-coordination.ts';
import type { Task } from '#shared/tasks/task.ts';
import type { Settings } from './settings.ts';

const KEEP_MS = 30 * 24 * 3_600_000;

const stepSchema = z.object({
  /** As it was defined. */
  is: z.custom<SagaStep>((value) => typeof value === 'object' && value !== null),
  /**
   * `uncertain`: its action did not succeed, but may have acted. `failed`: it surely did not. `kept`: done, and it has no
   * compensation.
   */
  status: z.enum(['planned', 'acting', 'done', 'failed', 'uncertain', 'undoing', 'undone', 'kept']),
  /** How often its compensation was asked for. */
  rounds: z.int(),
  /** Epoch ms. */
  changedAt: z.number(),
  error: z.unknown().optional(),
});
export type Step = z.infer<typeof stepSchema>;

const stateSchema = z.object({
  phase: z.enum(SAGA_PHASES),
  definition: z.string(),
  startedAt: z.number(),
  changedAt: z.number(),
  startedBy: z.string().optional(),
  steps: z.array(stepSchema),
  /** The step whose task is out, or is sent again when the saga wakes. */
  at: z.int(),
  /** Its task waits for the alarm. */
  resting: z.literal(true).optional(),
  /** The alarm of this step was late once: the next time the table is believed. */
  late: z.literal(true).optional(),
  /** Why it is undone. */
  failure: z.object({ step: z.string().optional(), error: z.unknown() }).optional(),
});
export type Saga = z.infer<typeof stateSchema>;

/** Tasks by id, for an alarm: what became of a task whose end was not heard. */
export type View = { tasks: ReadonlyMap<string, Task> };
export type Ctx = Context<Settings, View>;

const isOpen = (phase: Saga['phase']): boolean => phase === 'acting' || phase === 'compensating' || phase === 'stuck';

export const sagaKind: Kind<Saga> = {
  kind: 'saga',
  schema: stateSchema,
  version: 1,
  expiresAt: ({ phase, changedAt }) => (isOpen(phase) ? undefined : changedAt + KEEP_MS),
  lookup: ({ phase }) => lookupOf(phase),
};

/** Those that are under way are listed together. */
export const lookupOf = (phase: Saga['phase'] | undefined): string =>
  phase === undefined || isOpen(phase) ? 'saga.open' : `saga.${phase}`;

/** `saga-<saga>-<NN>` for an action; `u<round>` after it for a compensation. */
export const taskIdOf = (sagaId: string, { at, steps }: Saga): string => {
  const step = steps[at] as Step;
  return `saga-${sagaId}-${String(at + 1).padStart(2, '0')}${step.status === 'undoing' ? `u${step.rounds}` : ''}`;
};

const TASK_ID = /^saga-(.+)-\d\d(?:u\d+)?$/;

/** The saga that a task's id names; any other task is nobody's saga's. */
export const sagaOf = (taskId: string): string => TASK_ID.exec(taskId)?.[1] ?? taskId;

export const resultName = (at: number): string => `result/${String(at + 1).padStart(2, '0')}`;

/** As an operator sees it. */
export const toWire = (saga_id: string, saga: Saga) => ({
  saga_id,
  phase: saga.phase,
  started_at: iso(saga.startedAt),
  changed_at: iso(saga.changedAt),
  ...(saga.startedBy !== undefined && { started_by: saga.startedBy }),
  ...(saga.failure && { failure: saga.failure }),
  progress: { done: saga.steps.filter(({ status }) => status === 'done').length, steps: saga.steps.length },
});

export const stepToWire = ({ is, status, rounds, changedAt, error }: Step) => ({
  name: is.name,
  status,
  changed_at: iso(changedAt),
  ...(rounds > 0 && { compensations_asked: rounds }),
  ...(error !== undefined && { error }),
});
