/**
 * The streams and buckets of the product as data. A stream never captures a subject that people send requests to: its own
 * acknowledgement would be the first answer.
 */
import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { WORK_STREAM } from '../bridge/queues/work-queue.ts';

/** What a stream must be; what is not named here is left as it stands. */
export type StreamSpec = Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects'>;

export type StreamSizes = {
  replicas: number;
  /** Bytes that all streams may take together, at most what production reserves. */
  bytes: number;
};

const GB = 1e9;
const HOUR = nanos(3_600_000);
const DAY = 24 * HOUR;

type Sized = StreamSpec & { max_bytes: number };

const stream = (name: string, subjects: string[], max_age: number, max_bytes: number): Sized => ({
  name,
  subjects,
  retention: RetentionPolicy.Limits,
  discard: DiscardPolicy.Old,
  storage: StorageType.File,
  max_age,
  max_bytes,
  duplicate_window: nanos(600_000),
  allow_direct: true,
  allow_atomic: true,
});

/** A bucket as clients create one: the last value of a key, refused when full, deleted by a marker. */
const bucket = (name: string, ttl: number, max_bytes: number): Sized => ({
  ...stream(`KV_${name}`, [`$KV.${name}.>`], ttl, max_bytes),
  discard: DiscardPolicy.New,
  max_msgs_per_subject: 1,
  // Within the life of a message, where that ends.
  ...(ttl > 0 && { duplicate_window: ttl }),
  allow_rollup_hdrs: true,
  deny_delete: true,
  allow_atomic: false,
});

const verbs = (before: string, after: string[]): string[] => after.map((verb) => `${before}.${verb}`);

/** As in production; `max_bytes` is also the stream's share where there is less room. */
const inProduction: Sized[] = [
  stream('SUPERVISION_EVENTS', ['supervision.>', 'supervisor.>'], 7 * DAY, 20 * GB),
  stream('COORDINATION_MESSAGES', ['coordination.>'], 24 * HOUR, 20 * GB),
  stream('COORDINATION', ['coord.>', 'pipeline.>', 'scatter.>', 'gather.>'], 48 * HOUR, 50 * GB),
  stream(
    'AGENT_LIFECYCLE',
    verbs('agent.*', ['created', 'started', 'ready', 'stopped', 'error', 'snapshot', 'suspended', 'resumed', 'draining']),
    7 * DAY,
    10 * GB,
  ),
  {
    ...stream(WORK_STREAM, ['work.>'], 24 * HOUR, 20 * GB),
    retention: RetentionPolicy.Workqueue,
    // A full queue tells the publisher; discarding the oldest would lose queued work silently.
    discard: DiscardPolicy.New,
    discard_new_per_subject: true,
    max_msgs_per_subject: 1000,
  },
  stream('ALERTS', ['alerts.>', 'notifications.>'], 7 * DAY, 5 * GB),
  stream('CIRCUITS', verbs('circuit.*', ['open', 'closed', 'half-open']), 7 * DAY, 1 * GB),
  stream('DEAD_LETTERS', ['dlq.>'], 30 * DAY, 20 * GB),
  stream('ADVISORIES', ['$JS.EVENT.ADVISORY.>'], 7 * DAY, 3 * GB),
  bucket('AGENT_STATE', nanos(300_000), 1 * GB),
  // Which bridge does what. A bridge that has not renewed its leases for so long is dead.
  bucket('BRIDGE_LEASES', nanos(10_000), 0.1 * GB),
  // What operators decided about bindings; it stays.
  bucket('BRIDGE_STATE', 0, 0.1 * GB),
];

/** One alarm a key, so its size is bounded by the entities; a byte limit would drop the oldest alarms silently. */
const timers: StreamSpec = {
  ...stream('TIMERS', ['timers.>'], 0, -1),
  retention: RetentionPolicy.Workqueue,
  max_msgs_per_subject: 1,
  allow_msg_schedules: true,
  allow_rollup_hdrs: true,
};

const reserved = inProduction.reduce((sum, { max_bytes }) => sum + max_bytes, 0);

/** `work`: what the stream of work stores. */
export const streams = ({ replicas, bytes }: StreamSizes, work: readonly string[] = ['work.>']): StreamSpec[] => {
  const scale = Math.min(1, bytes / reserved);
  const sized = inProduction.map((spec) => ({
    ...spec,
    ...(spec.name === WORK_STREAM && { subjects: [...work] }),
    max_bytes: Math.floor(spec.max_bytes * scale),
  }));
  return [...sized, timers].map((spec) => ({ ...spec, num_replicas: replicas }));
};
