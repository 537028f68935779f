/** Words are counted page by page, by whoever is free, and the counts are added, three at a time. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, listen, worker, check }: Client): Promise<void> => {
  const [counting, adding, task] = [id('count'), id('add'), id('words')];
  for (const name of ['ann', 'ben'])
    await worker(id(name), { capabilities: [counting], max_concurrent_tasks: 2 }, (page: string) => page.split(' ').length);
  await worker(id('cleo'), { capabilities: [adding] }, (counts: number[]) => counts.reduce((sum, count) => sum + count, 0));
  const end = await listen(`coordination.tasks.done.${task}`);

  const splits = ['to be or not to be', 'that is', 'the question', 'whether it is nobler', 'in the mind'];
  const map = { requirements: { capabilities: [counting] } };
  const reduce = { requirements: { capabilities: [adding] }, fan_in: 3 };
  publish('coordination.tasks.map_reduce', { task_id: task, splits, map, reduce, requirements: { timeout_ms: 20_000 } });
  const { outcome, result } = await end('the end of the task');
  check(outcome === 'completed' && result === 17, `the task is ${outcome} with ${result}`);
  say(`${result} words`);
};
