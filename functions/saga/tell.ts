/** What a saga says: the task of a step, how far it is, how it ended, and that people are needed. Pure. */
import type { Output } from '#shared/entity/entity.ts';
import { iso } from '#shared/iso.ts';
import { raise } from '#shared/messages/alert.ts';
import { controlTasksCancel } from '#shared/messages/control.ts';
import { output } from '#shared/messages/message.ts';
import { task } from '#shared/messages/task.ts';
import { type Workflow, workflowComplete, workflowError } from '#shared/messages/workflow.ts';
import { MAX_PAYLOAD_BYTES } from '#shared/tasks/task.ts';
import { type Ctx, resultName, type Saga, type Step, taskIdOf } from './state.ts';

/** Its own payload, and what the action answered where that fits. */
const givenBack = (payload: unknown, result: unknown): unknown => {
  const whole = { payload, ...(result !== undefined && { result }) };
  return Buffer.byteLength(JSON.stringify(whole)) <= MAX_PAYLOAD_BYTES ? whole : { payload };
};

/** The task of the step that the saga is at: its action, or its compensation with what the action answered. */
export const ask = (saga: Saga, { id, settings, children }: Ctx): Output => {
  const { is, status } = saga.steps[saga.at] as Step;
  const undoing = status === 'undoing';
  const { capabilities, zone, participants, priority, payload } = (undoing ? is.compensation : is.action) ?? {};
  const given = undoing ? givenBack(payload, children.get(resultName(saga.at))) : payload;
  return output(
    task,
    { coordination_type: 'assignment' },
    {
      task_id: taskIdOf(id, saga),
      coordination_type: 'assignment',
      ...(participants && { participants }),
      requirements: {
        ...(capabilities && { capabilities }),
        ...(zone !== undefined && { zone }),
        ...(priority && { priority }),
        timeout_ms: is.timeout_ms ?? settings.timeout,
        max_attempts: is.max_attempts ?? settings.maxAttempts,
      },
      ...(given !== undefined && { payload: given }),
    },
  );
};

export const callOff = (saga: Saga, reason: string, { id }: Ctx): Output => {
  const task_id = taskIdOf(id, saga);
  return output(controlTasksCancel, {}, { task_id, reason });
};

export const progressed = (id: string, body: Omit<Workflow, 'workflow_id'>): Output =>
  output(workflowComplete, { workflow_id: id }, { workflow_id: id, ...body });

export const undone = (saga: Saga, { id }: Ctx): Output => {
  const { step, error } = saga.failure ?? { error: 'cancelled' };
  const body = { workflow_id: id, status: saga.phase, error, ...(step !== undefined && { stage: step }) };
  return output(workflowError, { workflow_id: id }, body);
};

export const stuck = (id: string, { is, rounds }: Step): string =>
  `saga ${id} is stuck: step ${is.name} could not be undone in ${rounds} rounds: mend it, then ask control.saga.cancel to go on`;

export const notTaken = (id: string, taskId: string): string =>
  `saga ${id} waits for task ${taskId}, which task-assignment does not know: look for it in control.dlq.list; it is asked for again`;

export const callPeople = (summary: string, { id, now, newId }: Ctx): Output =>
  raise({
    alert_id: newId('alert'),
    severity: 'critical',
    source: 'saga',
    group: `saga ${id}`,
    summary,
    first_seen: iso(now),
    count: 1,
  });
