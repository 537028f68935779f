/** How long the queues of work are, and how old their oldest work is: one list of consumers, and one message of each that has any. */
import type { ConsumerInfo, JetStreamManager } from '@nats-io/jetstream';
import { queueConsumer, queueOf, WORK_STREAM, type WorkQueue } from './work-queue.ts';

export type QueueReading = WorkQueue & {
  name: string;
  /** Messages that no worker has. */
  pending: number;
  /** Messages that workers have. */
  unsettled: number;
  /** 0 where there are none. */
  oldestAgeSeconds: number;
};

/** Messages that are not done. */
export const depthOf = ({ pending, unsettled }: Pick<QueueReading, 'pending' | 'unsettled'>): number => pending + unsettled;

/** Rejects where the stream does not exist or cannot be read. */
export const readQueues = async (manager: JetStreamManager): Promise<QueueReading[]> => {
  const found: { queue: WorkQueue; info: ConsumerInfo }[] = [];
  for await (const info of manager.consumers.list(WORK_STREAM)) {
    const queue = queueOf(info.name);
    if (queue) found.push({ queue, info });
  }
  return Promise.all(
    found.map(async ({ queue, info: { name, num_pending, num_ack_pending, ts } }) => {
      const reading = { ...queue, name, pending: num_pending, unsettled: num_ack_pending, oldestAgeSeconds: 0 };
      if (depthOf(reading) === 0) return reading;
      // What is done is gone from the stream, so its first message is the oldest.
      const query = { seq: 1, next_by_subj: queueConsumer(queue).filter_subject as string };
      const oldest = await manager.streams.getMessage(WORK_STREAM, query);
      // Both times are the server's.
      const age = oldest ? (Date.parse(ts ?? '') - oldest.time.getTime()) / 1000 : 0;
      return { ...reading, oldestAgeSeconds: Math.max(0, age) };
    }),
  );
};
