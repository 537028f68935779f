/**
 * What one bridge does of a function at a time: all of it, or the bindings of one `partition`. The alarms and the schedules
 * are with what has no partition.
 */

import { TIMERS_STREAM } from '../publish/timers.ts';
import type { Binding, FunctionEntry } from './manifest.ts';

export type Share = { name: string; fn: FunctionEntry; bindings: Binding[] };

/** Alarms of a function come through its lanes like everything else, but they are retried for ever, slower and slower. */
const alarmBinding = (fn: FunctionEntry): Binding => ({
  name: `${fn.name}.alarms`,
  function: fn.name,
  source: { kind: 'jetstream', stream: TIMERS_STREAM, subjects: [] },
  batchSize: Math.max(100, ...fn.bindings.map((binding) => binding.batchSize)),
  batchWindow: 0,
  // timers.due.<function>.<kind>.<id>.<token>
  groupBy: { tokens: [5] },
  retry: { attempts: 5, backoff: [1000, 5000, 30_000, 60_000], maxAge: Number.MAX_SAFE_INTEGER },
  alarms: true,
});

export const sharesOf = (fn: FunctionEntry): Share[] => {
  const parted = Map.groupBy(fn.bindings, ({ partition }) => partition);
  const whole = parted.get(undefined) ?? [];
  parted.delete(undefined);
  return [
    { name: fn.name, fn, bindings: [alarmBinding(fn), ...whole] },
    ...[...parted].map(([partition, bindings]) => ({ name: `${fn.name}.${partition}`, fn: { ...fn, schedules: [] }, bindings })),
  ];
};
