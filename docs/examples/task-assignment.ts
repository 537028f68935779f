/** A task goes to an agent that can do it; what one agent fails another one does, and the task ends once. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, listen, worker, check }: Client): Promise<void> => {
  const [capability, task] = [id('translate'), id('task')];
  const translate = (text: string, attempt: number) => {
    if (attempt === 1) throw new Error('the dictionary is missing');
    return text.toUpperCase();
  };
  await worker(id('ann'), { capabilities: [capability], max_concurrent_tasks: 2 }, translate);
  await worker(id('ben'), { capabilities: [capability], max_concurrent_tasks: 2 }, translate);
  const end = await listen(`coordination.tasks.done.${task}`);

  say('whoever takes it first fails: it is assigned again');
  const requirements = { capabilities: [capability], timeout_ms: 20_000, max_attempts: 3 };
  publish('coordination.tasks.assignment', { task_id: task, requirements, payload: 'hello' });
  const { outcome, result, attempts } = await end('the end of the task');
  check(outcome === 'completed' && result === 'HELLO', `the task is ${outcome}`);
  say(`completed in ${attempts} attempts: ${result}`);
};
