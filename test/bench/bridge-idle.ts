/** A bridge that has nothing to do: how soon a message is in the function, and what waiting costs. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Result } from './bench.ts';
import { setupBed } from './bridge-bed.ts';
import { startChild, type Usage } from './bridge-child.ts';
import { SUBJECT } from './bridge-contender.ts';
import { quantile } from './quantile.ts';

const WARM_UP = 200;
const MESSAGES = 1000;
const GAP_MS = 5;
const REST_MS = 10_000;

export const idle = async (): Promise<Result[]> => {
  const bed = await setupBed({ messages: 0 });
  const child = await startChild('bridge-product.ts', bed.task('clock', 1));
  try {
    const ages = () => bed.function.ask<number[]>('ages');
    for (let n = 0; n < WARM_UP + MESSAGES; n++) {
      bed.nc.publish(SUBJECT, JSON.stringify({ at: String(process.hrtime.bigint()), pad: 'x'.repeat(470) }));
      await sleep(GAP_MS);
    }
    while ((await ages()).length < WARM_UP + MESSAGES) await sleep(GAP_MS);
    const waited = (await ages()).slice(WARM_UP);
    const before = await child.ask<Usage>('usage');
    await sleep(REST_MS);
    const used = ((await child.ask<Usage>('usage')).cpu - before.cpu) / 1000;
    return [
      { figure: 'p50_ms', value: quantile(waited, 0.5), unit: 'ms' },
      { figure: 'p99_ms', value: quantile(waited, 0.99), unit: 'ms' },
      { figure: 'cpu', value: (used / REST_MS) * 100, unit: '% of a core' },
    ];
  } finally {
    await child.stop();
    await bed.stop();
  }
};
