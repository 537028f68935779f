/** The bridge's memory while it never runs out of messages. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Result } from './bench.ts';
import { setupBed } from './bridge-bed.ts';
import { startChild, type Usage } from './bridge-child.ts';

const SAMPLE_MS = 500;
/** Messages that wait whenever it is looked. */
const AHEAD = 100_000;
const MB = 1024 * 1024;

/** Least squares. */
const slopeOf = (points: { x: number; y: number }[]): number => {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map((point) => point.x)), mean(points.map((point) => point.y))];
  const rise = points.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0);
  return rise / points.reduce((sum, point) => sum + (point.x - x) ** 2, 0);
};

export const memory = async (minutes: number): Promise<Result[]> => {
  const bed = await setupBed({ messages: AHEAD });
  const task = bed.task('delay-0', 100);
  const child = await startChild('bridge-product.ts', task);
  try {
    const points: { x: number; y: number }[] = [];
    let loaded = AHEAD;
    const started = performance.now();
    for (let x = 0; x < minutes; x = (performance.now() - started) / 60_000) {
      const missing = AHEAD - (loaded - (await bed.acknowledged(task)));
      if (missing > 0) await bed.load(missing);
      loaded += Math.max(0, missing);
      points.push({ x, y: (await child.ask<Usage>('usage')).rss / MB });
      await sleep(SAMPLE_MS);
    }
    const warm = points.filter(({ x }) => x > minutes / 2);
    return [
      { figure: 'handled', value: await bed.acknowledged(task), unit: 'messages' },
      { figure: 'rss_mb', value: warm.at(-1)?.y ?? 0, unit: 'MiB' },
      { figure: 'slope', value: slopeOf(warm), unit: 'MiB/minute' },
    ];
  } finally {
    await child.stop();
    await bed.stop();
  }
};
