/**
 * The durable pull consumer of a binding: created where it is missing, changed in place where the binding changed, and
 * left alone with a sentence where the change would lose its position.
 */
import {
  AckPolicy,
  type ConsumerInfo,
  DeliverPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';

export type DurableSpec = { stream: string; durable: string; subjects: string[] /** ms */; ackWait: number };

/** `identity` is the contract's consumer identity, `origin` the part of it that record ids begin with, `born` names this very consumer. */
export type Durable = { identity: string; origin: string; born: string };

/** A consumer that cannot be used as it is. Trying again is useless until somebody mends it. */
export class ConsumerError extends Error {
  override name = 'ConsumerError';
}

/** Within the bound on a consumer's open messages (protocol, bridge rule 8). */
const MAX_ACK_PENDING = 10_000;
const FIRST_EPOCH = '1';

export const ensureDurable = async (manager: JetStreamManager, spec: DurableSpec): Promise<Durable> => {
  const { stream, durable } = spec;
  try {
    const { created } = await manager.streams.info(stream);
    const existing = await find(manager, spec);
    const info = existing ? await adapt(manager, spec, existing) : await create(manager, spec);
    const origin = `${stream}@${Date.parse(created)}`;
    return { identity: `${origin}/${durable}.${info.config.metadata?.epoch ?? FIRST_EPOCH}`, origin, born: info.created };
  } catch (error) {
    if (isApiError(error, JetStreamApiCodes.StreamNotFound))
      throw new ConsumerError(`the stream ${stream} does not exist; create it first`, { cause: error });
    // A 400 is about what was asked, not about the state of the server.
    if (error instanceof JetStreamApiError && error.apiError().code === 400)
      throw new ConsumerError(`the consumer ${durable} of the stream ${stream} is refused by the server: ${error.message}`, {
        cause: error,
      });
    throw error;
  }
};

const isApiError = (error: unknown, code: number) => error instanceof JetStreamApiError && error.code === code;

const find = async (manager: JetStreamManager, { stream, durable }: DurableSpec): Promise<ConsumerInfo | undefined> => {
  try {
    return await manager.consumers.info(stream, durable);
  } catch (error) {
    if (isApiError(error, JetStreamApiCodes.ConsumerNotFound)) return undefined;
    throw error;
  }
};

const changeable = ({ subjects, ackWait }: DurableSpec) => ({
  ack_wait: nanos(ackWait),
  max_ack_pending: MAX_ACK_PENDING,
  max_deliver: -1,
  filter_subjects: subjects,
});

const create = (manager: JetStreamManager, spec: DurableSpec): Promise<ConsumerInfo> =>
  manager.consumers.add(spec.stream, {
    durable_name: spec.durable,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    metadata: { epoch: FIRST_EPOCH },
    ...changeable(spec),
  });

const adapt = async (manager: JetStreamManager, spec: DurableSpec, { config, ...info }: ConsumerInfo): Promise<ConsumerInfo> => {
  const refuse = (what: string) => {
    throw new ConsumerError(
      `the consumer ${spec.durable} of the stream ${spec.stream} ${what}, which cannot be changed without losing its position; delete it or rename the binding`,
    );
  };
  if (config.deliver_subject) refuse('is a push consumer');
  if (config.ack_policy !== AckPolicy.Explicit) refuse(`has the ack policy "${config.ack_policy}"`);
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
