/** Where in its stream a consumer begins, as a sequence: what the server does with `new` or a time depends on when it is asked. */
import { AckPolicy, DeliverPolicy, type JetStreamManager, type StreamInfo } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import type { Start } from '../manifest/manifest.ts';

/** `of` is the stream whose sequence it is, `<stream>@<created>`: in a stream made anew it means nothing. */
export type From = Exclude<Start, { sequence: number }> | { sequence: number; of?: string };

const COUNTER_LIFE_MS = 5000;

/** `<stream>@<created, epoch ms>` */
export const originOf = ({ config, created }: StreamInfo): string => `${config.name}@${Date.parse(created)}`;

/** Undefined: with the oldest message there is. */
export const firstSequence = async (
  manager: JetStreamManager,
  stream: StreamInfo,
  subjects: string[],
  start: From,
): Promise<number | undefined> => {
  if (start === 'all') return undefined;
  if (start === 'new') return stream.state.last_seq + 1;
  if ('time' in start) return (await countFrom(manager, stream, subjects, start)).sequence;
  if (start.of === undefined) return start.sequence;
  // A stream that lost its tail uses sequences again.
  return start.of === originOf(stream) ? Math.min(start.sequence, stream.state.last_seq + 1) : undefined;
};

/** The first sequence from there on, and how many messages the subjects have. Not for work queues: there it may be refused. */
export const countFrom = async (
  manager: JetStreamManager,
  { config: { name } }: StreamInfo,
  subjects: string[],
  start: { time: string } | { sequence: number },
): Promise<{ sequence: number; messages: number }> => {
  // Only a consumer knows; nobody pulls from this one.
  const counter = await manager.consumers.add(name, {
    ack_policy: AckPolicy.None,
    mem_storage: true,
    inactive_threshold: nanos(COUNTER_LIFE_MS),
    filter_subjects: subjects,
    ...('time' in start
      ? { deliver_policy: DeliverPolicy.StartTime, opt_start_time: start.time }
      : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: start.sequence }),
  });
  await manager.consumers.delete(name, counter.name);
  return { sequence: counter.delivered.stream_seq + 1, messages: counter.num_pending };
};
