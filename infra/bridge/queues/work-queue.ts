/**
 * The queues of work: a durable pull consumer for each domain and priority, `work-<domain>-<priority>`. A stream with
 * work-queue retention gives each message to one consumer, so no two of them may overlap.
 */
import { AckPolicy, type ConsumerConfig } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { type Priority, priority } from '#shared/messages/fields.ts';

export const WORK_STREAM = 'WORK_QUEUE';

/** The most urgent first. */
export const PRIORITIES = priority.options;

export type WorkQueue = { domain: string; priority: Priority };

export const queueName = ({ domain, priority }: WorkQueue): string => `work-${domain}-${priority}`;

/** Undefined where it is the name of another consumer. */
export const queueOf = (name: string): WorkQueue | undefined => {
  const [, domain, last] = /^work-(.+)-([a-z]+)$/.exec(name) ?? [];
  const found = PRIORITIES.find((one) => one === last);
  return domain && found ? { domain, priority: found } : undefined;
};

/** The queues of a domain. */
export const queuesOf = (domain: string): WorkQueue[] => PRIORITIES.map((one) => ({ domain, priority: one }));

/** What a worker has to say something within: that it is done, or that it goes on. Longer after each delivery. */
const MINUTES = [5, 10, 20, 40];

export type QueueConsumer = Pick<ConsumerConfig, 'ack_policy' | 'filter_subject' | 'max_deliver' | 'max_ack_pending' | 'ack_wait'> & {
  durable_name: string;
  /** ns */
  backoff: number[];
};

/** For work that takes minutes. */
export const queueConsumer = (queue: WorkQueue): QueueConsumer => {
  const backoff = MINUTES.map((minutes) => nanos(minutes * 60_000));
  return {
    durable_name: queueName(queue),
    ack_policy: AckPolicy.Explicit,
    filter_subject: `work.${queue.domain}.${queue.priority}.>`,
    max_deliver: 5,
    max_ack_pending: 1000,
    // The server takes the first one for it, whatever it is told.
    ack_wait: backoff[0] as number,
    backoff,
  };
};

/** The turns of a worker go round. */
export const TURNS = 15;

/**
 * In which order a worker looks at the queues in a turn from 1 to 15: the one whose turn it is, then the others, the most urgent
 * first. As many zeros as the number has at its end in binary, so low is its turn: 8 turns of 15 are critical's, 4 high's, 2
 * normal's and 1 low's, evenly spread.
 */
export const orderOf = (turn: number): Priority[] => {
  const first = PRIORITIES[31 - Math.clz32(turn & -turn)];
  return PRIORITIES.toSorted((a, b) => Number(b === first) - Number(a === first));
};
