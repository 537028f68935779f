/** Brings the streams of a server to what is wanted: creates, changes in place, deletes only where it was told that it may. */
import { JetStreamApiCodes, JetStreamApiError, type JetStreamManager, jetstreamManager, type StreamInfo } from '@nats-io/jetstream';
import { type NatsConnection, PermissionViolationError } from '@nats-io/transport-node';
import { isSupportedVersion, MIN_SERVER_VERSION } from './server-version.ts';
import { type StreamDifference, streamDifference } from './stream-difference.ts';
import type { StreamSpec } from './streams.ts';

/** A server or a stream that cannot be used as it is; the message says what to do. */
export class StreamsError extends Error {
  override name = 'StreamsError';
}

/** Whether a request failed because the user may not send it, or not hear its answer. */
export const isForbidden = ({ cause }: Error): boolean => cause instanceof PermissionViolationError;

/** Resolves when the server is new enough and has JetStream for this account. Rejects with a StreamsError. */
export const checkServer = async (nc: NatsConnection): Promise<void> => {
  const version = nc.info?.version ?? 'unknown';
  if (!isSupportedVersion(version))
    throw new StreamsError(
      `nats-server ${version} at ${nc.getServer()} is too old: alarms need ${MIN_SERVER_VERSION} or later, so upgrade it`,
    );
  await jetstreamManager(nc).catch((cause: Error) => {
    if (isForbidden(cause))
      throw new StreamsError(
        `this user may not ask the nats-server at ${nc.getServer()} (${cause.message}): set NATS_INBOX to _INBOX.<id> (of a bridge: _INBOX.bridge), or correct its permissions`,
        { cause },
      );
    throw new StreamsError(
      `the nats-server at ${nc.getServer()} has no JetStream for this account (${cause.message}): start it with -js or enable the account`,
      { cause },
    );
  });
};

/** The stream as it stands, or undefined. */
export const findStream = async (manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> => {
  try {
    return await manager.streams.info(name);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return undefined;
    throw error;
  }
};

/** Rejects with a StreamsError that says what was refused. */
export const attempt = async (what: string, work: Promise<unknown>): Promise<void> => {
  try {
    await work;
  } catch (cause) {
    if (!(cause instanceof JetStreamApiError)) throw cause;
    throw new StreamsError(`${what} was refused by the server: ${cause.message} (${cause.code})`, { cause });
  }
};

export type StreamPlan = { spec: StreamSpec /** The stream as it stands. */; standing?: StreamInfo; difference?: StreamDifference };

/**
 * What `applyStreams` would do. Rejects with a StreamsError where a stream cannot become what is wanted; `mayLose`: unless it
 * can by losing messages.
 */
export const planStreams = async (manager: JetStreamManager, wanted: readonly StreamSpec[], mayLose = false): Promise<StreamPlan[]> => {
  const plan = await Promise.all(
    wanted.map(async (spec) => {
      const standing = await findStream(manager, spec.name);
      return { spec, ...(standing && { standing, difference: streamDifference(standing, spec, mayLose) }) };
    }),
  );
  const refusals = plan.flatMap(({ difference }) => difference?.refusals ?? []);
  if (refusals.length > 0) throw new StreamsError(refusals.join('; '));
  return plan;
};

/** Names of streams. */
export type Applied = { created: string[]; updated: string[]; unchanged: string[] };

/** `log` is told a sentence for every stream that is changed. Rejects with a StreamsError when the server refuses. */
export const carryOut = async (
  manager: JetStreamManager,
  plan: readonly StreamPlan[],
  log: (sentence: string) => void,
): Promise<Applied> => {
  const applied: Applied = { created: [], updated: [], unchanged: [] };
  for (const { spec, difference } of plan) {
    const keys = Object.keys(difference?.changes ?? {});
    if (!difference) {
      await attempt(`the stream ${spec.name}`, manager.streams.add(spec));
      applied.created.push(spec.name);
    } else if (difference.rebuild) {
      await attempt(`the deletion of the stream ${spec.name}`, manager.streams.delete(spec.name));
      await attempt(`the stream ${spec.name}`, manager.streams.add(spec));
      log(`the stream ${spec.name} was deleted and made anew`);
      applied.created.push(spec.name);
    } else if (keys.length > 0) {
      await attempt(`the change of ${keys.join(', ')} of the stream ${spec.name}`, manager.streams.update(spec.name, difference.changes));
      log(`the stream ${spec.name} was changed: ${keys.join(', ')}`);
      applied.updated.push(spec.name);
    } else applied.unchanged.push(spec.name);
  }
  return applied;
};

/**
 * `log` is told a sentence for every stream that is changed. Rejects with a StreamsError: before anything is touched where a
 * stream cannot become what is wanted, and when the server refuses.
 */
export const applyStreams = async (
  manager: JetStreamManager,
  wanted: readonly StreamSpec[],
  log: (sentence: string) => void,
): Promise<Applied> => carryOut(manager, await planStreams(manager, wanted), log);
