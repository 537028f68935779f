/** The streams on a laptop: one replica each, sized to the room there is. */
import type { JetStreamManager } from '@nats-io/jetstream';
import { findStream } from '../nats/apply.ts';
import { type StreamSpec, streams } from '../nats/streams.ts';

/** For a server whose disk cannot be seen from here. */
const FALLBACK_ROOM = 16e9;

/**
 * `free`: bytes on the disk of the server, where it is known; half of it is reserved. A stream that stands keeps its size and
 * its replicas: the room at the first start decides, and a server with other users is not resized. `work`: what the stream of
 * work stores.
 */
export const localStreams = async (manager: JetStreamManager, free?: number, work?: readonly string[]): Promise<StreamSpec[]> => {
  const { limits, reserved_storage } = await manager.getAccountInfo();
  const granted = limits.max_storage > 0 ? limits.max_storage - (reserved_storage ?? 0) : Number.POSITIVE_INFINITY;
  const wanted = streams({ replicas: 1, bytes: Math.min(free ?? FALLBACK_ROOM, granted) / 2 }, work);
  return Promise.all(
    wanted.map(async (spec) => {
      const standing = (await findStream(manager, spec.name))?.config;
      return standing ? { ...spec, max_bytes: standing.max_bytes, num_replicas: standing.num_replicas } : spec;
    }),
  );
};
