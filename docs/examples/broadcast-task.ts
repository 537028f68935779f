/** A task for every agent that can do it, and one end with what each of them answered. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, listen, worker, check }: Client): Promise<void> => {
  const [capability, task, ann, ben] = [id('ocr'), id('versions'), id('ann'), id('ben')];
  await worker(ann, { capabilities: [capability] }, () => 'v2');
  await worker(ben, { capabilities: [capability] }, () => 'v1');
  const end = await listen(`coordination.tasks.done.${task}`);

  const requirements = { capabilities: [capability], timeout_ms: 20_000 };
  publish('coordination.tasks.broadcast', { task_id: task, requirements, payload: 'which version are you?' });
  const { outcome, result } = await end('the end of the task');
  check(outcome === 'completed' && result[ann] === 'v2' && result[ben] === 'v1', `the task is ${outcome}`);
  say(`all have answered: ${JSON.stringify(result)}`);
};
