/** A task whose stages are tasks for agents with different capabilities: each is given the result of the one before. */
import type { Client } from './run/client.ts';

export const run = async ({ id, publish, listen, worker, check }: Client): Promise<void> => {
  const [reading, summing, task] = [id('read'), id('sum-up'), id('report')];
  await worker(id('reader'), { capabilities: [reading] }, (file) => `text of ${file}`);
  await worker(id('writer'), { capabilities: [summing] }, (text) => `summary of ${text}`);
  const end = await listen(`coordination.tasks.done.${task}`);

  const stages = [
    { name: 'read', requirements: { capabilities: [reading] } },
    { name: 'sum-up', requirements: { capabilities: [summing] } },
  ];
  publish('coordination.tasks.pipeline', { task_id: task, payload: 'report.pdf', stages, requirements: { timeout_ms: 20_000 } });
  const { outcome, result } = await end('the end of the task');
  check(outcome === 'completed' && result === 'summary of text of report.pdf', `the task is ${outcome} with ${result}`);
};
