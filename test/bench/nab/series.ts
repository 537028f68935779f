/** Reads the Numenta Anomaly Benchmark from its folder: `data/<group>/<name>.csv`, `combined_windows.json`, `profiles.json`. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { Profile, Series } from './score.ts';

const windowsSchema = z.record(z.string(), z.array(z.tuple([z.string(), z.string()])));
const profilesSchema = z.record(
  z.string(),
  z.object({ CostMatrix: z.object({ tpWeight: z.number(), fnWeight: z.number(), fpWeight: z.number() }) }),
);

/** Epoch ms of `2014-04-10 07:15:00.000000`, which names no zone. */
const timeOf = (text: string): number => Date.parse(`${text.slice(0, 19).replace(' ', 'T')}Z`);

const json = async (folder: string, name: string): Promise<unknown> => JSON.parse(await readFile(join(folder, name), 'utf8'));

const readSeries = async (folder: string, name: string, windows: readonly (readonly [string, string])[]): Promise<Series> => {
  const [, ...lines] = (await readFile(join(folder, 'data', name), 'utf8')).trim().split(/\r?\n/);
  const rows = lines.map((line) => line.split(',') as [string, string]);
  const times = rows.map(([time]) => timeOf(time));
  return {
    name,
    times,
    values: rows.map(([, value]) => Number(value)),
    windows: windows.map(([from, to]) => [times.indexOf(timeOf(from)), times.indexOf(timeOf(to))]),
  };
};

/** Every series that has labels. Throws where the folder is not NAB's. */
export const readNab = async (folder: string): Promise<{ series: Series[]; profiles: Profile[] }> => {
  const windows = windowsSchema.parse(await json(folder, 'combined_windows.json'));
  const profiles = profilesSchema.parse(await json(folder, 'profiles.json'));
  return {
    series: await Promise.all(Object.entries(windows).map(([name, labels]) => readSeries(folder, name, labels))),
    profiles: Object.entries(profiles).map(([name, { CostMatrix }]) => ({ name, ...CostMatrix })),
  };
};
