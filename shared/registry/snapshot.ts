/** The last snapshot that an agent sent of itself: what it would want to know after a restart. A child of the agent. */
import * as z from 'zod';
import type { Reader } from '#shared/entity/reader.ts';
import { agentKind } from './agent.ts';

/** The child's name. */
export const SNAPSHOT = 'snapshot';
/** Of its JSON. It is handed over in a message, beside others. */
export const MAX_SNAPSHOT_BYTES = 65_536;

export const snapshotSchema = z.object({ /** When it was sent, epoch ms. */ at: z.number(), snapshot: z.unknown() });
export type Snapshot = z.infer<typeof snapshotSchema>;

/** Undefined: it never sent one, or long ago. */
export const readSnapshot = async (reader: Reader, agentId: string): Promise<Snapshot | undefined> => {
  const children = await reader.children(agentKind, agentId, SNAPSHOT, { limit: 1 });
  return snapshotSchema.safeParse(children.get(SNAPSHOT)).data;
};
