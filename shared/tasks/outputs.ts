/** What is said of a task: how it ended, how an attempt went, that a result is ignored. Pure. */
import type { Context, Output } from '#shared/entity/entity.ts';
import { raise } from '#shared/messages/alert.ts';
import { circuitReport } from '#shared/messages/circuit.ts';
import { output } from '#shared/messages/message.ts';
import { type TaskOutcome, type TaskStatus, taskDone, taskStatus, taskUnblocked } from '#shared/messages/task.ts';
import type { Attempt } from './slots.ts';
import { type ActiveTask, agentOf, type EndedTask, type OpenTask } from './task.ts';

const SOURCE = 'task-assignment';

/** `said`: its `result` or `error`. */
export const ended = (task_id: string, outcome: TaskOutcome, attempts: number, said: object): Output =>
  output(taskDone, { task_id }, { task_id, outcome, attempts, ...said });

/** How the attempt went until `at`, epoch ms, to the agent's own circuit. */
export const reported = (task: ActiveTask, outcome: 'success' | 'failure', at: number): Output => {
  const service = agentOf(task) as string;
  const epoch = task.epoch === undefined ? {} : { epoch: task.epoch };
  return output(circuitReport, { service }, { service, outcome, duration_ms: Math.max(0, at - task.assignedAt), ...epoch });
};

export const ignored = (
  id: string,
  task: OpenTask | EndedTask,
  { agent_id, attempt }: TaskStatus,
  { now, newId }: Pick<Context, 'now' | 'newId'>,
): Output => {
  const which = attempt === undefined ? 'its attempt' : `attempt ${attempt}`;
  const why = task.phase === 'ended' ? `the task has ended: ${task.outcome}` : 'it was given up on';
  return raise({
    alert_id: newId('alert'),
    severity: 'low',
    source: SOURCE,
    summary: `task ${id}: the result of ${which} by agent ${agent_id} is ignored: ${why}`,
    agent_ids: [agent_id],
    first_seen: new Date(now).toISOString(),
    count: 1,
  });
};

/** For an agent that cannot say so itself. */
export const lost = (task_id: string, agent_id: string, attempt: number, why: string): Output =>
  output(
    taskStatus,
    { task_id },
    { task_id, agent_id, attempt, status: 'lost', error: { code: 'agent_lost', message: `agent ${agent_id} ${why}` } },
  );

/** For an agent that does not say so itself. */
export const overdue = (task_id: string, agent_id: string, { attempt, accepted }: Attempt): Output => {
  const what = accepted ? 'finish' : 'accept';
  const error = { code: `not_${what}ed`, message: `agent ${agent_id} did not ${what} task ${task_id} in time` };
  return output(taskStatus, { task_id }, { task_id, agent_id, attempt, status: 'overdue', error });
};

/** To a task that waited for the end of another one. */
export const unblocked = (task_id: string, by: string, outcome: TaskOutcome): Output =>
  output(taskUnblocked, { task_id }, { task_id, by, outcome });
