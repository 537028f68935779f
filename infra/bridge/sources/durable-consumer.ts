/**
 * The durable pull consumer of a binding: created where it is missing, changed in place where the binding changed, made anew
 * under a higher epoch, and left alone with a sentence where the change would lose its position.
 */
import {
  AckPolicy,
  type ConsumerInfo,
  DeliverPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  ReplayPolicy,
  type StreamInfo,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import type { Floor } from '#shared/contract.ts';
import { iso } from '#shared/iso.ts';
import { isApiError } from '../ports/api-error.ts';
import { type From, firstSequence, originOf } from './start-position.ts';

export type DurableSpec = {
  stream: string;
  durable: string;
  subjects: string[];
  /** ms */
  ackWait: number;
  /** Only a consumer that is created looks at it. `all` where absent. */
  start?: From;
  /** A consumer of a lower one is made anew; 1 where absent. */
  epoch?: number;
};

export type Durable = {
  /** The contract's consumer identity. */
  identity: string;
  /** The part of it that record ids begin with. */
  origin: string;
  /** Names this very consumer. */
  born: string;
  /** Its ack floor. */
  floor: number;
};

/** A consumer that cannot be used as it is. Trying again is useless until somebody mends it. */
export class ConsumerError extends Error {
  override name = 'ConsumerError';
}

/** Within the bound on a consumer's open messages (protocol, bridge rule 8). */
const MAX_ACK_PENDING = 10_000;
export const FIRST_EPOCH = 1;
/** The server's error code for a consumer that another bridge made in between. */
const CONSUMER_EXISTS = 10148;

/** The epoch that a consumer says it has. */
export const consumerEpoch = ({ config }: ConsumerInfo): number => Number(config.metadata?.epoch ?? FIRST_EPOCH);

/** The first sequence that it was to deliver. */
const beginningOf = ({ config }: ConsumerInfo): number => config.opt_start_seq ?? 1;

/** The contract's consumer identity; `origin` as record ids begin. */
export const identityOf = (origin: string, info: ConsumerInfo): string => `${origin}/${info.name}.${consumerEpoch(info)}`;

/** By the server's own clock. */
export const floorOf = (info: ConsumerInfo): Floor => ({
  sequence: info.ack_floor.stream_seq,
  asOf: iso(Date.parse(info.ts ?? '')),
  ...(beginningOf(info) > 1 && { from: beginningOf(info) }),
});

/** Resolves when the consumer stands. Rejects with a ConsumerError where that needs somebody. */
export const ensureDurable = async (manager: JetStreamManager, spec: DurableSpec): Promise<Durable> => {
  const { stream, durable } = spec;
  try {
    const found = await manager.streams.info(stream);
    const origin = originOf(found);
    const info = await stand(manager, spec, found);
    return {
      identity: identityOf(origin, info),
      origin,
      born: info.created,
      floor: info.ack_floor.stream_seq,
    };
  } catch (error) {
    if (isApiError(error, JetStreamApiCodes.StreamNotFound))
      throw new ConsumerError(`the stream ${stream} does not exist; create it first`, { cause: error });
    // A 400 is about what was asked, not about the state of the server.
    if (error instanceof JetStreamApiError && error.apiError().code === 400 && !isApiError(error, CONSUMER_EXISTS))
      throw new ConsumerError(`the consumer ${durable} of the stream ${stream} is refused by the server: ${error.message}`, {
        cause: error,
      });
    throw error;
  }
};

/** A crash between deletion and creation leaves none: the next start creates it, with the same wanted epoch and start. */
const stand = async (manager: JetStreamManager, spec: DurableSpec, stream: StreamInfo): Promise<ConsumerInfo> => {
  const standing = await findConsumer(manager, spec);
  if (!standing) return create(manager, spec, stream);
  if (consumerEpoch(standing) >= (spec.epoch ?? FIRST_EPOCH)) return adapt(manager, spec, standing);
  await manager.consumers.delete(spec.stream, spec.durable).catch((error) => {
    if (!isApiError(error, JetStreamApiCodes.ConsumerNotFound)) throw error;
  });
  return create(manager, spec, stream);
};

/** The consumer as it stands, or undefined. */
export const findConsumer = async (
  manager: JetStreamManager,
  { stream, durable }: Pick<DurableSpec, 'stream' | 'durable'>,
): Promise<ConsumerInfo | undefined> => {
  try {
    return await manager.consumers.info(stream, durable);
  } catch (error) {
    if (isApiError(error, JetStreamApiCodes.ConsumerNotFound)) return undefined;
    throw error;
  }
};

/** What the binding's settings say; the position is not touched by any of it. */
const changeable = ({ subjects, ackWait }: DurableSpec) => ({
  ack_wait: nanos(ackWait),
  max_ack_pending: MAX_ACK_PENDING,
  max_deliver: -1,
  filter_subjects: subjects,
});

const create = async (manager: JetStreamManager, spec: DurableSpec, stream: StreamInfo): Promise<ConsumerInfo> => {
  const first = await firstSequence(manager, stream, spec.subjects, spec.start ?? 'all');
  return manager.consumers.add(spec.stream, {
    durable_name: spec.durable,
    ack_policy: AckPolicy.Explicit,
    ...(first === undefined
      ? { deliver_policy: DeliverPolicy.All }
      : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, first) }),
    metadata: { epoch: String(spec.epoch ?? FIRST_EPOCH) },
    ...changeable(spec),
  });
};

const adapt = async (manager: JetStreamManager, spec: DurableSpec, { config, ...info }: ConsumerInfo): Promise<ConsumerInfo> => {
  const refuse = (what: string) => {
    throw new ConsumerError(
      `the consumer ${spec.durable} of the stream ${spec.stream} ${what}, which cannot be changed without losing its position; delete it or rename the binding`,
    );
  };
  if (config.deliver_subject) refuse('is a push consumer');
  if (config.ack_policy !== AckPolicy.Explicit) refuse(`has the ack policy "${config.ack_policy}"`);
  if (config.replay_policy !== ReplayPolicy.Instant) refuse(`has the replay policy "${config.replay_policy}"`);
  const wanted = changeable(spec);
  const filters = config.filter_subjects ?? (config.filter_subject ? [config.filter_subject] : []);
  const same =
    config.ack_wait === wanted.ack_wait &&
    config.max_ack_pending === wanted.max_ack_pending &&
    config.max_deliver === wanted.max_deliver &&
    [...filters].sort().join() === [...spec.subjects].sort().join();
  if (same) return { ...info, config };
  return manager.consumers.update(spec.stream, spec.durable, config.filter_subject ? { ...wanted, filter_subject: '' } : wanted);
};
