/** A client as a careful one is written: every publish has an id of its own and is sent again until its stream has it. */
import { setTimeout as pause } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';

export type CarefulClient = {
  nc: NatsConnection;
  /** Messages that a stream has. */
  sent: () => number;
  publish(subject: string, body: unknown, msgID: string): Promise<void>;
  /** How many messages a stream has on each subject of a filter. */
  counts(stream: string, filter: string): Promise<Record<string, number>>;
  last<T>(stream: string, subject: string): Promise<T | undefined>;
  /** Every body that a stream has on a filter. */
  all<T>(stream: string, filter: string): Promise<T[]>;
  close(): Promise<void>;
};

export const carefulClient = async (servers: string[]): Promise<CarefulClient> => {
  const nc = await connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  const js = jetstream(nc);
  const manager = await jetstreamManager(nc);
  let sent = 0;
  return {
    nc,
    sent: () => sent,
    publish: async (subject, body, msgID) => {
      const data = typeof body === 'string' ? body : JSON.stringify(body);
      for (;;) {
        try {
          await js.publish(subject, data, { msgID, timeout: 2000 });
          sent++;
          return;
        } catch {
          await pause(50);
        }
      }
    },
    counts: async (stream, filter) => (await manager.streams.info(stream, { subjects_filter: filter })).state.subjects ?? {},
    last: async <T>(stream: string, subject: string) => (await manager.streams.getMessage(stream, { last_by_subj: subject }))?.json<T>(),
    all: async <T>(stream: string, filter: string) => {
      const consumer = await js.consumers.get(stream, { filter_subjects: filter });
      const { num_pending } = await consumer.info();
      const bodies: T[] = [];
      if (num_pending > 0) for await (const message of await consumer.fetch({ max_messages: num_pending })) bodies.push(message.json<T>());
      return bodies;
    },
    close: () => nc.close(),
  };
};
