/** Tasks that wait for an agent are done by priority, and then by age. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, requestUntil, listen, worker, check }: Client): Promise<void> => {
  const capability = id('translate');
  const ask = async (priority: string) => {
    const task_id = id(priority);
    const end = await listen(`coordination.tasks.done.${task_id}`);
    publish('coordination.tasks.assignment', { task_id, requirements: { capabilities: [capability], priority }, payload: priority });
    await requestUntil('the wait', 'control.tasks.show', { task_id }, ({ phase }) => phase === 'waiting');
    return end;
  };
  say('nobody can do them yet');
  const ends = [await ask('low'), await ask('normal'), await ask('critical')];

  const done: string[] = [];
  await worker(id('ann'), { capabilities: [capability], max_concurrent_tasks: 1 }, (priority) => done.push(priority));
  for (const end of ends) await end('the end of a task', ({ outcome }) => outcome === 'completed');
  check(done.join() === 'critical,normal,low', `they were done as ${done.join(', ')}`);
};
