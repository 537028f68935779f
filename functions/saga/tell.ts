/** What a saga says: the task of a step, how far it is, how it ended, and that people are needed. Pure. */
import type { Output } from '#shared/entity/entity.ts';
import { iso } from '#shared/iso.ts';
import { raise } from '#shared/messages/alert.ts';
import { controlTasksCancel } from '#shared/messages/control.ts';
import { output } from '#shared/messages/message.ts';
import { task } from '#shared/messages/task.ts';
import { type Workflow, workflowComplete, workflowError } from '#shared/messages/workflow.ts';
import { type Ctx, resultName, type Saga, type Step, taskIdOf } from './state.ts';

/** The task of the step that the saga is at: its action, or its compensation with what the action answered. */
export const ask = (saga: Saga, { id, settings, children }: Ctx): Output => {
  const { is, status } = saga.steps[saga.at] as Step;
  const undoing = status === 'undoing';
  const { capabilities, zone, participants, priority, payload } = (undoing ? is.compensation : is.action) ?? {};
  const result = children.get(resultName(saga.at));
  const given = undoing ? { payload, ...(result !== undefined && { result }) } : payload;
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

export const callPeople = (saga: Saga, { id, now, newId }: Ctx): Output => {
  const { is, rounds } = saga.steps[saga.at] as Step;
  return raise({
    alert_id: newId('alert'),
    severity: 'critical',
    source: 'saga',
    group: `saga ${id}`,
    summary: `saga ${id} is stuck: step ${is.name} could not be undone in ${rounds} rounds: mend it, then ask control.saga.cancel to go on`,
    first_seen: iso(now),
    count: 1,
  });
};
