/**
 * What CloudWatch gets, in its embedded metric format: a line a metric for every minute that was closed, with the values of its
 * sketch and how often each came, so that CloudWatch has percentiles of them, too. Powertools' metrics take single values only.
 *
 * CloudWatch charges for each combination of a metric and its dimensions: components are few; of agents only those metrics
 * are told that a setting names, all agents together, and each by itself only where a setting says so.
 */
import { type EntityKey, idOf, kindOf } from '#shared/entity/key.ts';
import type { Store, StoredChild } from '#shared/entity/store.ts';
import { childSchema, componentMetricsKind, FLEET_NAMESPACE } from '#shared/metrics/measured.ts';
import { mergeRollups, type Rollup } from '#shared/metrics/rollup.ts';
import { weightedValues } from '#shared/metrics/sketch.ts';
import type { Settings } from './settings.ts';

export type Emf = {
  settings: Settings['emf'];
  /** The deployed function: it tells stages in one account apart. */
  service: string;
  /** Told one line at a time, without its end. */
  write(line: string): void;
};

/** A store that tells of the minutes that are closed in it, once they are: what is not written is not told. */
export const withEmf = (store: Store, emf: Emf): Store => {
  const put = new Map<EntityKey, StoredChild[]>();
  return {
    ...store,
    putChildren: async (children) => {
      await store.putChildren(children);
      for (const [key, minutes] of Map.groupBy(children.filter(isMinute), (child) => child.key)) put.set(key, minutes);
    },
    write: async (units) => {
      const results = await store.write(units);
      const written = units.filter((_, n) => results[n]?.result === 'written').flat();
      const closed = written.flatMap(({ key }) => put.get(key) ?? []);
      for (const { key } of units.flat()) put.delete(key);
      for (const line of linesOf(closed, emf)) emf.write(line);
      return results;
    },
  };
};

const isMinute = ({ name }: StoredChild): boolean => name.startsWith('1m/');

type Dimensions = Record<string, string>;
type Told = { at: number; metric: string; dimensions: Dimensions; rollup: Rollup };

export const linesOf = (minutes: readonly StoredChild[], emf: Emf): string[] => {
  const told = new Map<string, Told>();
  for (const { key, data } of minutes)
    for (const { start: at, rollups } of childSchema.parse(data))
      for (const [metric, rollup] of Object.entries(rollups))
        for (const dimensions of dimensionsOf(key, metric, emf.settings)) {
          const name = JSON.stringify([at, metric, dimensions]);
          told.set(name, { at, metric, dimensions, rollup: mergeRollups(told.get(name)?.rollup, rollup) });
        }
  return [...told.values()].map((one) => lineOf(one, emf.service));
};

const dimensionsOf = (key: EntityKey, metric: string, { detail, names }: Emf['settings']): Dimensions[] => {
  if (detail === 'off') return [];
  if (kindOf(key) === componentMetricsKind.kind) return [{ component: idOf(key) }];
  if (!names.includes(metric)) return [];
  return detail === 'agents' ? [{}, { agent_id: idOf(key) }] : [{}];
};

/** CloudWatch takes no line with more. */
const MAX_VALUES = 100;

const lineOf = ({ at, metric, dimensions, rollup }: Told, service: string): string => {
  const values = weightedValues(rollup.sketch);
  const [low, top] = [values.slice(0, -MAX_VALUES), values.slice(-MAX_VALUES)];
  const [lowest] = top;
  if (lowest) lowest[1] += low.reduce((sum, [, count]) => sum + count, 0);
  const { count: Count, sum: Sum, min: Min, max: Max } = rollup;
  const directive = { Namespace: FLEET_NAMESPACE, Dimensions: [['service', ...Object.keys(dimensions)]], Metrics: [{ Name: metric }] };
  return JSON.stringify({
    _aws: { Timestamp: at, CloudWatchMetrics: [directive] },
    service,
    ...dimensions,
    [metric]: { Values: top.map(([value]) => value), Counts: top.map(([, count]) => count), Count, Sum, Min, Max },
  });
};
