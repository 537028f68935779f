/** A task that depends on two others waits until both are completed, whenever it was asked for. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, listen, worker, check }: Client): Promise<void> => {
  const [capability, flour, eggs, cake] = [id('kitchen'), id('flour'), id('eggs'), id('cake')];
  const done: string[] = [];
  await worker(id('cook'), { capabilities: [capability] }, (what: string) => done.push(what));
  const end = await listen(`coordination.tasks.done.${cake}`);

  const ask = (task_id: string, payload: string, depends_on: string[] = []) =>
    publish('coordination.tasks.assignment', { task_id, requirements: { capabilities: [capability], depends_on }, payload });
  say('the cake is asked for first');
  ask(cake, 'bake', [flour, eggs]);
  ask(flour, 'weigh flour');
  ask(eggs, 'beat eggs');
  const { outcome } = await end('the end of the last task');
  check(outcome === 'completed', `the task is ${outcome}`);
  check(done.at(-1) === 'bake' && done.length === 3, `it was done as ${done.join(', ')}`);
};
