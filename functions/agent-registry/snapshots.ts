/** Keeps the last snapshot of an agent as its child. Pure. */
import { type Context, type Decision, done } from '#shared/entity/entity.ts';
import type { agentSnapshot } from '#shared/messages/lifecycle.ts';
import type { Received } from '#shared/messages/message.ts';
import type { Agent } from '#shared/registry/agent.ts';
import { MAX_SNAPSHOT_BYTES, SNAPSHOT, type Snapshot, snapshotSchema } from '#shared/registry/snapshot.ts';

const KEEP_MS = 30 * 24 * 3_600_000;

/** An older one, or the same once more, changes nothing. */
export const keepSnapshot = ({ body, sentAt }: Received<typeof agentSnapshot>, { children, id }: Context): Decision<Agent> => {
  const before = snapshotSchema.safeParse(children.get(SNAPSHOT)).data;
  if (before && before.at >= sentAt) return done();
  const bytes = Buffer.byteLength(JSON.stringify(body.snapshot ?? null));
  if (bytes > MAX_SNAPSHOT_BYTES) {
    const message = `the snapshot of agent ${id} has ${bytes} bytes, ${MAX_SNAPSHOT_BYTES} are kept: put what is large elsewhere and send where`;
    return { outcome: 'deadLetter', reason: { code: 'snapshot_too_large', message } };
  }
  const data: Snapshot = { at: sentAt, snapshot: body.snapshot ?? null };
  return done({ children: [{ name: SNAPSHOT, data, expiresAt: sentAt + KEEP_MS }] });
};
