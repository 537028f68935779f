/** Steps that are undone backwards when one of them fails: the flight is cancelled, because there is no room. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, request, listen, worker, check }: Client): Promise<void> => {
  const [saga, capability] = [id('trip'), id('travel')];
  const log: string[] = [];
  await worker(id('agency'), { capabilities: [capability] }, (task) => {
    // A compensation is given its own payload, and what the action answered.
    const { does, what } = task.payload ?? task;
    if (what === 'room') throw new Error('sold out');
    log.push(`${does} ${what}`);
    say(`the agency does it: ${does} ${what}`);
    return { reference: `${what}-7` };
  });
  const end = await listen(`coord.${saga}.error`);

  const task = (does: string, what: string) => ({ capabilities: [capability], payload: { does, what } });
  const step = (what: string) => ({ name: what, action: task('book', what), compensation: task('cancel', what), max_attempts: 1 });
  await request('control.saga.start', { saga_id: saga, steps: [step('flight'), step('train'), step('room')] });
  const { status, stage } = await end('the end of the saga');
  check(status === 'compensated', `the saga is ${status}`);
  check(log.join() === 'book flight,book train,cancel train,cancel flight', `it was undone in a wrong order: ${log.join()}`);
  say(`${stage} failed, and all that was done is undone`);
};
