/** Of which agent a message tells: agents of other protocols have names of their own. Pure. */
import { sessionAgentId, type sessionHeartbeat } from '#shared/messages/lifecycle.ts';
import type { Received } from '#shared/messages/message.ts';
import type { orchestratorBroadcast } from '#shared/messages/orchestrator.ts';

/** The heartbeat of a session of the Synadia Agent Protocol, or of an agent of document 004. */
export type ForeignBeat = Received<typeof sessionHeartbeat> | Received<typeof orchestratorBroadcast>;
type Named = { message: string; body: { agent_id: string } };

const isForeign = (event: ForeignBeat | Named): event is ForeignBeat =>
  event.message === 'sessionHeartbeat' || event.message === 'orchestratorBroadcast';

export const agentIdOf = (event: ForeignBeat | Named): string => {
  if (!isForeign(event)) return event.body.agent_id;
  return event.message === 'sessionHeartbeat' ? sessionAgentId(event.body) : event.body.from_agent;
};

/** A heartbeat and the word that its agent stopped come by different ways, and may cross by so much. */
export const CROSSED_MS = 10_000;
