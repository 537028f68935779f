/** Makes a failing run smaller: faults and messages are left out one at a time, as long as it still fails. */
import type { Plan } from './plan.ts';
import { type Attack, type Report, simulate } from './simulate.ts';

const without = (plan: Plan, part: 'faults' | 'messages', n: number): Plan => ({ ...plan, [part]: plan[part].toSpliced(n, 1) });

export const shrink = async (plan: Plan, attack: Attack = {}): Promise<Plan> => {
  const fails = async (smaller: Plan) => (await simulate(smaller, { attack })).violations.length > 0;
  for (const part of ['faults', 'messages'] as const)
    for (let n = plan[part].length - 1; n >= 0; n--) {
      const smaller = without(plan, part, n);
      if (await fails(smaller)) return shrink(smaller, attack);
    }
  return plan;
};

/** A failing run for people: what it breaks, and the shortest trace that was found. */
export const explain = async (plan: Plan, attack: Attack = {}): Promise<string> => {
  const small = await shrink(plan, attack);
  const { violations, trace }: Report = await simulate(small, { attack, traced: true });
  return [`seed ${plan.seed} breaks the protocol:`, ...violations.map((one) => `  ${one}`), '', ...trace].join('\n');
};
