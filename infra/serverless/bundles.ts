/** The bundles of the last `osls package`, and what they may weigh. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** A bundle's bytes, and milliseconds to import it in a fresh process. */
export const BUDGET = { bytes: 450_000, importMs: 60 };

export type Bundle = { name: string; file: string; bytes: number; zippedBytes: number };

export const bundlesIn = (serviceDir: string): string => resolve(serviceDir, '.serverless', 'bundles');

/** Throws an error of one sentence where nothing was packaged. */
export const readBundles = (serviceDir: string): Bundle[] => {
  const folder = bundlesIn(serviceDir);
  if (!existsSync(folder)) throw new Error(`there are no bundles in ${folder}: package the service first`);
  const names = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return names.map(({ name }) => {
    const file = join(folder, name, 'handler.js');
    const zip = join(serviceDir, '.serverless', `${name}.zip`);
    return { name, file, bytes: statSync(file).size, zippedBytes: statSync(zip).size };
  });
};

const MEASURE = 'const started = performance.now(); require(process.argv[1]); console.log(performance.now() - started);';

/** ms, the least of some fresh processes: whatever else the machine does only adds to it. */
export const importTime = (file: string, times = 9): number =>
  Math.min(...Array.from({ length: times }, () => Number(execFileSync(process.execPath, ['-e', MEASURE, file], { encoding: 'utf8' }))));
