/** Whether servers have the room: no API says so, so an empty stream that reserves it is made for a moment. */
import { JetStreamApiError, type JetStreamManager, StorageType } from '@nats-io/jetstream';
import { findStream, type StreamPlan } from './apply.ts';

export const PROBE_STREAM = 'MISTERSMITH_PROBE';

/** Bytes. A stream has to have a limit. */
const LEAST = 1024;

const limitOf = ({ max_bytes = 0 }: { max_bytes?: number } = {}): number => Math.max(0, max_bytes);

/** Bytes that the plan reserves beyond what the streams as they stand do. */
export const roomFor = (plan: readonly StreamPlan[]): number =>
  plan.reduce((sum, { spec, standing }) => sum + limitOf(spec) - limitOf(standing?.config), 0);

/** The server's own words where it cannot hold so many replicas of so many bytes, else undefined. */
export const cannotHold = async (manager: JetStreamManager, replicas: number, bytes: number): Promise<string | undefined> => {
  // One that was interrupted left it behind.
  if (await findStream(manager, PROBE_STREAM)) await manager.streams.delete(PROBE_STREAM);
  const config = {
    name: PROBE_STREAM,
    subjects: ['mistersmith.probe'],
    storage: StorageType.File,
    max_bytes: Math.max(LEAST, bytes),
    num_replicas: replicas,
  };
  try {
    await manager.streams.add(config);
  } catch (error) {
    if (error instanceof JetStreamApiError) return error.message;
    throw error;
  }
  await manager.streams.delete(PROBE_STREAM);
  return undefined;
};
