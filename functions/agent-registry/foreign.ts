/**
 * Agents that know nothing of this registry: sessions of the Synadia Agent Protocol, and the agents of document 004. Their
 * heartbeats are all that is known of them, and make them active. Pure.
 */
import type { SessionHeartbeat } from '#shared/messages/lifecycle.ts';
import type { Agent, Profile } from '#shared/registry/agent.ts';
import { CROSSED_MS, type ForeignBeat } from '#shared/registry/agent-id.ts';
import { seen, stranger } from './evolve.ts';

/** undefined: it says nothing that has to be written. */
export const foreignBeat = (agent: Agent | undefined, event: ForeignBeat, id: string): Agent | undefined => {
  const at = event.sentAt;
  if (agent?.lifecycle === 'terminated' && at < agent.since + CROSSED_MS) return undefined;
  if (!agent || agent.lifecycle === 'terminated') return introduced(stranger(id, at), event);
  // One that is refused a place in its domain stays outside.
  if (agent.lifecycle === 'unregistered' && agent.reason === undefined) return introduced(agent, event);
  return seen(agent, { status: agent.status, load: agent.load, activeTasks: agent.activeTasks }, at);
};

const introduced = (agent: Agent, event: ForeignBeat): Agent => ({
  ...agent,
  profile: event.message === 'sessionHeartbeat' ? { ...agent.profile, ...profileOf(event.body) } : agent.profile,
  lifecycle: 'active',
  since: event.sentAt,
  lastSeen: event.sentAt,
});

const profileOf = ({ agent, owner, session, instance_id }: SessionHeartbeat): Partial<Profile> => ({
  name: agent,
  ...(instance_id !== undefined && { instance_id }),
  metadata: { owner, session },
});
