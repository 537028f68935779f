/** A task in parts, at the same time and at most two of them: its result has their order. */
import type { Client } from './run/client.ts';

export const run = async ({ id, publish, listen, worker, check }: Client): Promise<void> => {
  const [capability, task] = [id('ocr'), id('scan')];
  for (const name of ['ann', 'ben']) await worker(id(name), { capabilities: [capability] }, (page) => `text of ${page}`);
  const end = await listen(`coordination.tasks.done.${task}`);

  const parts = [{ payload: 'page 1' }, { payload: 'page 2' }, { payload: 'page 3' }];
  const requirements = { capabilities: [capability], timeout_ms: 20_000 };
  publish('coordination.tasks.parallel', { task_id: task, parts, max_parallel: 2, requirements });
  const { outcome, result } = await end('the end of the task');
  check(outcome === 'completed', `the task is ${outcome}`);
  check(result.join() === 'text of page 1,text of page 2,text of page 3', `the result is ${result}`);
};
