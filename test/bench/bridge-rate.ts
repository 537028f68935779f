/** How fast a contender is: each runs alone, in a fresh process, on the same messages of the same server. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bed } from './bridge-bed.ts';
import { type Child, startChild } from './bridge-child.ts';
import { durableOf, STREAM, type Task } from './bridge-contender.ts';

const START_MS = 30_000;
const WARM_UP_MS = 1500;
const ROUND_MS = 3000;
const POLL_MS = 10;

export type Contender = (task: Task) => Promise<Pick<Child, 'stop'>>;
export const bare: Contender = (task) => startChild('bridge-bare.ts', task);
export const product: Contender = (task) => startChild('bridge-product.ts', task);

export const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;

/** Messages acknowledged a second, after a warm-up, until the time or the messages are at their end. */
export const rateOf = async (bed: Bed, contender: Contender, task: Task, messages: number): Promise<number> => {
  const child = await contender(task);
  try {
    for (const until = Date.now() + START_MS; (await bed.acknowledged(task)) === 0; await sleep(POLL_MS))
      if (Date.now() > until) throw new Error(`${task.name} has acknowledged nothing within ${START_MS / 1000} s`);
    await sleep(WARM_UP_MS);
    const [before, started] = [await bed.acknowledged(task), performance.now()];
    let [count, now] = [before, started];
    while (now - started < ROUND_MS && count < messages) {
      await sleep(POLL_MS);
      [count, now] = [await bed.acknowledged(task), performance.now()];
    }
    if (count === before) throw new Error(`${task.name} had acknowledged all ${messages} messages in its warm-up`);
    return (count - before) / ((now - started) / 1000);
  } finally {
    await child.stop();
    await bed.manager.consumers.delete(STREAM, durableOf(task.name)).catch(() => {});
  }
};
