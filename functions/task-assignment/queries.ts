/** `control.tasks.show`: a task as it is, without its payload and result. */
import { defineQuery } from '#shared/function/query.ts';
import { controlTasksShow } from '#shared/messages/control.ts';
import { type Task, taskKind, toWire } from '#shared/tasks/task.ts';

export const show = defineQuery({
  message: controlTasksShow,
  read: async ({ body: { task_id } }, reader) => (await reader.load(taskKind, [task_id])).get(task_id),
  answer: (task: Task | undefined, { body: { task_id } }) =>
    task
      ? { body: toWire(task_id, task) }
      : { error: { code: 'not_found', message: `no task ${task_id} is known: it is forgotten 7 days after its end` } },
});
