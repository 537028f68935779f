/** What it takes to turn a stream that stands into the one that is wanted, without losing a message of it. */
import { isDeepStrictEqual } from 'node:util';
import type { StreamConfig, StreamInfo } from '@nats-io/jetstream';
import { millis } from '@nats-io/transport-node';
import type { StreamSpec } from './streams.ts';

export type StreamDifference = {
  changes: Partial<StreamConfig>;
  /** A sentence for each difference that only a new stream, or a loss of messages, would mend. */
  refusals: string[];
  /** What a server cannot change: the stream has to be deleted and made anew. */
  rebuild?: (keyof StreamConfig)[];
};

const UNCHANGEABLE: (keyof StreamConfig)[] = ['retention', 'storage'];

const normal = (value: unknown): unknown => (Array.isArray(value) ? [...value].sort() : (value ?? false));

/** Limits come as a number, and zero or less means none. */
const isTighter = (wanted: number, standing: number): boolean => wanted > 0 && (standing <= 0 || wanted < standing);

/** Why a tighter limit would delete messages that the stream holds now. */
const loss = (key: string, wanted: number, { state, ts }: StreamInfo): string | undefined => {
  if (state.messages === 0) return undefined;
  switch (key) {
    case 'max_bytes':
      return state.bytes > wanted ? `it holds ${state.bytes} bytes` : undefined;
    case 'max_age':
      return Date.parse(ts ?? '') - Date.parse(state.first_ts) <= millis(wanted) ? undefined : `its oldest message is of ${state.first_ts}`;
    case 'max_msgs_per_subject':
      return state.messages > wanted ? `it holds ${state.messages} messages` : undefined;
    default:
      return undefined;
  }
};

/** `mayLose`: what would lose messages is a change, or a reason to make the stream anew, and no refusal. */
export const streamDifference = (standing: StreamInfo, wanted: StreamSpec, mayLose = false): StreamDifference => {
  const changes: Record<string, unknown> = {};
  const refusals: string[] = [];
  const rebuild: (keyof StreamConfig)[] = [];
  for (const [name, value] of Object.entries(wanted)) {
    const key = name as keyof StreamConfig;
    const now = standing.config[key];
    if (isDeepStrictEqual(normal(now), normal(value))) continue;
    const step = `the stream ${wanted.name} has ${key} ${JSON.stringify(now)}, ${JSON.stringify(value)} is wanted`;
    if (UNCHANGEABLE.includes(key)) {
      if (mayLose) rebuild.push(key);
      else refusals.push(`${step}, and a server cannot change that: save what it holds, then delete the stream`);
      continue;
    }
    const lost = typeof value === 'number' && isTighter(value, Number(now ?? 0)) ? loss(key, value, standing) : undefined;
    if (lost && !mayLose) refusals.push(`${step}, but ${lost}, which would be deleted: purge it or raise the limit`);
    else changes[key] = value;
  }
  return { changes: changes as Partial<StreamConfig>, refusals, ...(rebuild.length > 0 && { rebuild }) };
};
