/** Whether a cluster can hold so many replicas: no API says so, so an empty stream is made for a moment. */
import { JetStreamApiError, type JetStreamManager, StorageType } from '@nats-io/jetstream';

export const PROBE_STREAM = 'MISTERSMITH_PROBE';

/** The server's own words where it cannot, else undefined. */
export const cannotReplicate = async (manager: JetStreamManager, replicas: number): Promise<string | undefined> => {
  if (replicas === 1) return undefined;
  const config = {
    name: PROBE_STREAM,
    subjects: ['mistersmith.probe'],
    storage: StorageType.Memory,
    max_bytes: 1024,
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
