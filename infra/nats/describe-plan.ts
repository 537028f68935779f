/** A plan as a person reads it: a line a stream that is touched. */
import { millis } from '@nats-io/transport-node';
import type { StreamPlan } from './apply.ts';

const UNITS: [string, number][] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
];

const time = (nanos: number): string => {
  if (nanos <= 0) return 'for ever';
  const [unit, size] = UNITS.find(([, size]) => millis(nanos) % size === 0) ?? ['ms', 1];
  return `${millis(nanos) / size} ${unit}`;
};

const SIZES: [string, number][] = [
  ['GB', 1e9],
  ['MB', 1e6],
  ['kB', 1e3],
];

export const size = (bytes: number): string => {
  if (bytes <= 0) return 'no limit of bytes';
  const [unit, one] = SIZES.find(([, one]) => Math.round((bytes / one) * 10) >= 10) ?? ['bytes', 1];
  return `${Math.round((bytes / one) * 10) / 10} ${unit}`;
};

const shown = (key: string, value: unknown): string => {
  if (key === 'max_bytes') return size(Number(value ?? 0));
  if (key === 'max_age' || key === 'duplicate_window') return time(Number(value ?? 0));
  return Array.isArray(value) ? value.join(' ') : String(value ?? 'unset');
};

/** Undefined where nothing is to be done. */
const line = ({ spec, standing, difference }: StreamPlan): string | undefined => {
  const { name, subjects, max_age, max_bytes, num_replicas } = spec;
  const step = (key: string): string =>
    `${key} ${shown(key, standing?.config[key as keyof typeof standing.config])} -> ${shown(key, spec[key as keyof typeof spec])}`;
  if (!standing || !difference)
    return `create   ${name}: ${subjects.join(' ')}; ${time(max_age ?? 0)}, ${size(max_bytes ?? 0)}, replicas ${num_replicas ?? 1}`;
  const changes = Object.keys(difference.changes).map(step);
  if (difference.rebuild)
    return `rebuild  ${name}: ${[...difference.rebuild.map(step), ...changes].join(', ')}; DELETES its ${standing.state.messages} messages and its consumers`;
  return changes.length > 0 ? `change   ${name}: ${changes.join(', ')}` : undefined;
};

export const describePlan = (plan: readonly StreamPlan[]): string[] => plan.flatMap((one) => line(one) ?? []);
