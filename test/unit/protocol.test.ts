import { expect, it } from 'vitest';
import { drawPlan } from '#test/sim/plan.ts';
import { simulate } from '#test/sim/simulate.ts';
import { explain } from '#test/sim/shrink.ts';

it('x', async () => {
  const n = Number(process.env.SIM_SEEDS ?? 100);
  const from = Number(process.env.SIM_FROM ?? 1);
  const t = performance.now();
  const bad: [number, string[]][] = [];
  let ms = 0;
  for (let seed = from; seed < from + n; seed++) {
    const r = await simulate(drawPlan(seed));
    ms += r.ms;
    if (r.violations.length) bad.push([seed, r.violations]);
  }
  console.log((performance.now() - t) / n, 'ms a seed; virtual', ms / n, bad.length, 'bad');
  for (const b of bad.slice(0, 20)) console.log(b[0], b[1].join('\n    '));
  const one = process.env.SEED ?? bad[0]?.[0];
  if (one) console.log(await explain(drawPlan(Number(one))));
}, 600_000);
