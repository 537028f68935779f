/** The streams that bindings may name: the product's own, and those of others that `custom.nats.streams` declares. */
import { RetentionPolicy } from '@nats-io/jetstream';
import * as z from 'zod';
import { streams } from '../nats/streams.ts';

export type KnownStream = { name: string; subjects: string[]; workQueue: boolean };

const foreign = z
  .record(
    z.string(),
    z.strictObject({
      subjects: z.array(z.string()).min(1).describe('What the stream captures'),
      workQueue: z.boolean().default(false).describe('Its retention is workqueue: no two consumers on a subject'),
    }),
  )
  .describe('Streams that somebody else creates, by name');

/** `custom.nats`, in which `targets` names functions that are deployed elsewhere. */
export const customNatsSchema = z.strictObject({
  targets: z.record(z.string(), z.string().min(1)).optional().describe('Functions by what they are called at AWS: name, name:alias or ARN'),
  streams: foreign.optional(),
});

export const ownStreams: readonly KnownStream[] = streams({ replicas: 1, bytes: Number.POSITIVE_INFINITY }).map(
  ({ name, subjects, retention }) => ({ name, subjects, workQueue: retention === RetentionPolicy.Workqueue }),
);

export const knownStreams = (customNats: unknown): KnownStream[] => [
  ...ownStreams,
  ...Object.entries(customNatsSchema.parse(customNats ?? {}).streams ?? {}).map(([name, stream]) => ({ name, ...stream })),
];
