/** Coordination, part by part: each brings its cases. */
import { agreementCases } from './agreement.ts';
import type { Bench, Result } from './bench.ts';
import { gatherCases } from './gather.ts';
import { routingCases } from './routing.ts';
import { taskCases } from './tasks.ts';

const cases: Record<string, () => Promise<Result[]>> = {
  ...agreementCases,
  ...gatherCases,
  ...routingCases,
  ...taskCases,
};

export const coordination: Bench = {
  cases: Object.keys(cases),
  run: async (name) => {
    const run = cases[name];
    if (!run) throw new Error(`coordination has no case "${name}": name one of ${Object.keys(cases).join(', ')}`);
    return run();
  },
};
