/** `npm run size`: what each function's bundle weighs and how long its import takes. Fails over the budget. */
import { BUDGET, importTime, readBundles } from './bundles.ts';

const kilobytes = (bytes: number): string => (bytes / 1000).toFixed(0).padStart(8);

const rows = readBundles('.').map((bundle) => ({ ...bundle, importMs: importTime(bundle.file) }));
const width = Math.max(...rows.map(({ name }) => name.length));

console.log(`${'function'.padEnd(width)}      KB  zipped  import ms`);
for (const { name, bytes, zippedBytes, importMs } of rows)
  console.log(`${name.padEnd(width)}${kilobytes(bytes)}${kilobytes(zippedBytes)}${importMs.toFixed(0).padStart(11)}`);

const over = rows.filter(({ bytes, importMs }) => bytes > BUDGET.bytes || importMs > BUDGET.importMs);
for (const { name } of over)
  console.error(`${name} is over the budget of ${BUDGET.bytes / 1000} KB and ${BUDGET.importMs} ms: see what its imports bring along`);
process.exitCode = over.length > 0 ? 1 : 0;
