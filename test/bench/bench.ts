/**
 * `npm run bench -- <name> [--json] [--case <case>] [--minutes <n>] [--nab <folder>]`: runs a benchmark and prints its figures as a table, or one line of
 * JSON a figure. Every benchmark is a file of this folder that exports `run`; README.md says what each measures and how.
 */
import { parseArgs } from 'node:util';

export type Figure = { case: string; figure: string; value: number; unit: string };
export type Result = Omit<Figure, 'case'>;
export type Bench = {
  cases: string[];
  run: (name: string, options: { minutes: number /** A folder with labelled series. */; nab?: string | undefined }) => Promise<Result[]>;
};

const benches: Record<string, () => Promise<Bench>> = {
  stack: async () => (await import('./stack.ts')).stack,
  escalation: async () => (await import('./escalation.ts')).escalation,
  supervision: async () => (await import('./supervision.ts')).supervision,
  coordination: async () => (await import('./coordination.ts')).coordination,
  detection: async () => (await import('./detection.ts')).detection,
  bridge: async () => (await import('./bridge.ts')).bridge,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, case: { type: 'string' }, minutes: { type: 'string', default: '1' }, nab: { type: 'string' } },
});
const [name = ''] = positionals;
const load = benches[name];
if (!load) {
  console.error(`there is no bench "${name}": name one of ${Object.keys(benches).join(', ')}`);
  process.exit(1);
}
const bench = await load();
const figures: Figure[] = [];
for (const each of values.case ? [values.case] : bench.cases) {
  if (!values.json) console.error(`${name} ${each} ...`);
  for (const figure of await bench.run(each, { minutes: Number(values.minutes), nab: values.nab })) figures.push({ case: each, ...figure });
}
if (values.json) for (const figure of figures) console.log(JSON.stringify({ bench: name, ...figure }));
else console.table(figures.map(({ value, ...rest }) => ({ bench: name, ...rest, value: Number(value.toPrecision(4)) })));
process.exit(0);
