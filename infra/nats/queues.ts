/** Brings the queues of work to what is wanted: makes those that are missing, and changes others in place, where they stand. */
import { isDeepStrictEqual } from 'node:util';
import type { ConsumerConfig, ConsumerInfo, JetStreamManager } from '@nats-io/jetstream';
import { type QueueConsumer, queueConsumer, queuesOf, WORK_STREAM } from '../bridge/queues/work-queue.ts';
import { attempt, findStream, StreamsError } from './apply.ts';

export type QueuePlan = { consumer: QueueConsumer; standing?: ConsumerInfo; changes: Partial<ConsumerConfig> };

const differences = (standing: ConsumerConfig, wanted: QueueConsumer): Partial<ConsumerConfig> =>
  Object.fromEntries(Object.entries(wanted).filter(([key, value]) => !isDeepStrictEqual(standing[key as keyof ConsumerConfig], value)));

/** What `applyQueues` would do for these domains. Rejects with a StreamsError where a consumer is in the way. */
export const planQueues = async (manager: JetStreamManager, domains: readonly string[]): Promise<QueuePlan[]> => {
  if (domains.length === 0) return [];
  const standing = new Map<string, ConsumerInfo>();
  if (await findStream(manager, WORK_STREAM)) for await (const info of manager.consumers.list(WORK_STREAM)) standing.set(info.name, info);
  return domains.flatMap(queuesOf).map((queue) => {
    const consumer = queueConsumer(queue);
    const found = standing.get(consumer.durable_name);
    if (!found) return { consumer, changes: {} };
    if (found.config.deliver_subject || found.config.ack_policy !== consumer.ack_policy)
      throw new StreamsError(`the consumer ${found.name} of ${WORK_STREAM} is no pull consumer with explicit acknowledgements: delete it`);
    return { consumer, standing: found, changes: differences(found.config, consumer) };
  });
};

/** A line a queue that is touched. */
export const describeQueues = (plan: readonly QueuePlan[]): string[] =>
  plan.flatMap(({ consumer, standing, changes }) => {
    if (!standing) return [`create   ${consumer.durable_name}: ${consumer.filter_subject}`];
    const keys = Object.keys(changes);
    return keys.length > 0 ? [`change   ${consumer.durable_name}: ${keys.join(', ')}`] : [];
  });

/** Answers how many were created and changed. Rejects with a StreamsError when the server refuses. */
export const applyQueues = async (manager: JetStreamManager, plan: readonly QueuePlan[]): Promise<{ created: number; updated: number }> => {
  const done = { created: 0, updated: 0 };
  for (const { consumer, standing, changes } of plan) {
    const { durable_name: name, filter_subject } = consumer;
    if (!standing) {
      await attempt(`the queue ${name} (${filter_subject} of ${WORK_STREAM})`, manager.consumers.add(WORK_STREAM, consumer));
      done.created++;
    } else if (Object.keys(changes).length > 0) {
      await attempt(
        `the change of ${Object.keys(changes).join(', ')} of the queue ${name}`,
        manager.consumers.update(WORK_STREAM, name, changes),
      );
      done.updated++;
    }
  }
  return done;
};
