/** `control.tasks.show`: a task as it is, without its payload and result. */
import { defineQuery } from '#shared/function/query.ts';
import { controlTasksShow } from '#shared/messages/control.ts';
import { slotsIdOf } from '#shared/tasks/roster.ts';
import { type Attempt, slotsKind } from '#shared/tasks/slots.ts';
import { agentOf, type Task, taskKind, toWire } from '#shared/tasks/task.ts';

type Shown = { task: Task | undefined; attempt?: Attempt | undefined };

export const show = defineQuery({
  message: controlTasksShow,
  read: async ({ body: { task_id } }, reader): Promise<Shown> => {
    const task = (await reader.load(taskKind, [task_id])).get(task_id);
    if (task?.phase !== 'active') return { task };
    const slotsId = slotsIdOf(agentOf(task) as string);
    return { task, attempt: (await reader.load(slotsKind, [slotsId])).get(slotsId)?.active[task_id] };
  },
  answer: ({ task, attempt }: Shown, { body: { task_id } }) => {
    if (task && task.phase !== 'expected') return { body: toWire(task_id, task, attempt) };
    const message = task
      ? `task ${task_id} did not come yet: others depend on it`
      : `no task ${task_id} is known: it is forgotten 7 days after its end; a task for many is shown by control.group.show`;
    return { error: { code: 'not_found', message } };
  },
});
