/**
 * What the queues of work need of a bridge: that they exist for every domain that has work, that somebody measures them, and that
 * what is given up becomes a dead letter. One bridge does it, every 5 s.
 */
import { JetStreamApiCodes, JetStreamApiError, type JetStreamManager, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { type Clock, systemClock } from '#shared/clock.ts';
import { parseSubject, subjects, toFilter } from '#shared/subjects.ts';
import type { Duty } from '../ownership/tenure.ts';
import { isApiError } from '../ports/api-error.ts';
import type { Publisher } from '../ports/ports.ts';
import { buryGivenUp } from './given-up.ts';
import { depthOf, type QueueReading, readQueues } from './read-queues.ts';
import { queueConsumer, queueName, queuesOf, WORK_STREAM } from './work-queue.ts';

const EVERY_MS = 5000;

export type WorkQueuesOptions = {
  nc: NatsConnection;
  manager: JetStreamManager;
  publisher: Publisher;
  metrics: { queues: { set(readings: readonly QueueReading[]): void } };
  /** Told a sentence when a queue is made, when work is given up, and when something begins to fail. */
  log: (sentence: string) => void;
  clock?: Clock;
};

export const workQueuesDuty = ({ nc, manager, publisher, metrics, log, clock = systemClock }: WorkQueuesOptions): Duty => {
  const client = jetstream(nc);
  let stopped = true;
  let cancel: (() => void) | undefined;
  let looking = Promise.resolve();
  let failure: string | undefined;
  const refused = new Set<string>();

  const provide = async (domain: string, standing: ReadonlySet<string>): Promise<void> => {
    if (refused.has(domain)) return;
    const missing = queuesOf(domain).filter((queue) => !standing.has(queueName(queue)));
    try {
      for (const queue of missing) await manager.consumers.add(WORK_STREAM, queueConsumer(queue));
      log(`the domain ${domain} has work: its queues are there now`);
    } catch (error) {
      // A 400 is about what was asked: somebody takes that work already. Anything else may be over next time.
      if (!(error instanceof JetStreamApiError && error.apiError().code === 400)) throw error;
      refused.add(domain);
      log(`the domain ${domain} gets no queues, the server refuses them: ${error.message}`);
    }
  };
  const look = async (): Promise<void> => {
    const readings = await readQueues(manager).catch((error: Error) => {
      // What cannot be read has no value.
      metrics.queues.set([]);
      throw error;
    });
    if (!stopped) metrics.queues.set(readings);
    const standing = new Set(readings.map(({ name }) => name));
    for (const domain of await withoutQueue(manager, readings, standing)) await provide(domain, standing);
    await buryGivenUp({ manager, client, publisher, log });
  };
  const lookAgain = async (): Promise<void> => {
    const why = await look().then(
      () => undefined,
      // Where there is no such stream there is no work.
      (error: Error) => (isApiError(error, JetStreamApiCodes.StreamNotFound) ? undefined : error.message),
    );
    if (why !== undefined && failure === undefined && !stopped) log(`the queues of work cannot be looked after, trying again: ${why}`);
    failure = why;
    if (!stopped)
      cancel = clock.after(EVERY_MS, () => {
        looking = lookAgain();
      });
  };

  return {
    name: 'work-queues',
    take: async () => {
      stopped = false;
      looking = lookAgain();
    },
    handOver: async () => {
      stopped = true;
      cancel?.();
      await looking;
      metrics.queues.set([]);
    },
  };
};

/** Domains with work that is in no queue. The stream's subjects are asked for only where it holds more than its queues. */
const withoutQueue = async (
  manager: JetStreamManager,
  readings: readonly QueueReading[],
  standing: ReadonlySet<string>,
): Promise<string[]> => {
  const { state } = await manager.streams.info(WORK_STREAM);
  if (state.messages <= readings.reduce((sum, reading) => sum + depthOf(reading), 0)) return [];
  const { state: detailed } = await manager.streams.info(WORK_STREAM, { subjects_filter: toFilter(subjects.work) });
  const found = Object.keys(detailed.subjects ?? {}).flatMap((subject) => parseSubject(subjects.work, subject) ?? []);
  const queued = new Set(found.map(({ domain }) => domain));
  return [...queued].filter((domain) => queuesOf(domain).some((queue) => !standing.has(queueName(queue))));
};
