/** What a message makes of an agent, before its domain's limit has a say. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { Received } from '#shared/messages/message.ts';
import { agentAvailable } from '#shared/messages/discovery.ts';
import type { agentHeartbeat } from '#shared/messages/heartbeat.ts';
import { agentCreated, agentError, agentReady, agentStarted, agentStopped } from '#shared/messages/lifecycle.ts';
import type { Agent, Profile } from '#shared/registry/agent.ts';
import { isMember, type LifecycleEvent, transition } from '#shared/registry/lifecycle.ts';

export const lifecycleMessages = [agentCreated, agentStarted, agentReady, agentStopped, agentError, agentAvailable] as const;

export type Moved = Received<(typeof lifecycleMessages)[number]>;
export type Beat = Received<typeof agentHeartbeat>;

/** Where nothing else changed, last-seen is written no more often than this. */
const SEEN_EVERY_MS = 30_000;

const EVENTS: Record<Moved['message'], LifecycleEvent> = {
  agentCreated: 'created',
  agentStarted: 'started',
  agentReady: 'ready',
  agentStopped: 'stopped',
  agentError: 'error',
  agentAvailable: 'announced',
};

export const eventOf = (moved: Moved): LifecycleEvent => EVENTS[moved.message];

/** An agent that nobody introduced. */
export const stranger = (agentId: string, at: number): Agent => ({
  profile: { agent_id: agentId, capabilities: [], metadata: {} },
  lifecycle: 'unregistered',
  since: at,
  lastSeen: null,
  responsive: true,
  status: 'ready',
  load: 0,
  activeTasks: 0,
});

/** undefined: it changes nothing, or is about an incarnation that another one has replaced. */
export const move = (agent: Agent, moved: Moved): Agent | 'illegal' | undefined => {
  const event = eventOf(moved);
  const { instance_id } = moved.body;
  const another = isMember(agent.lifecycle) && instance_id !== undefined && instance_id !== (agent.profile.instance_id ?? instance_id);
  if (another && event !== 'created') return undefined;
  const lifecycle = another ? 'registered' : transition(agent.lifecycle, event);
  if (!lifecycle) return 'illegal';
  const born = another || (agent.lifecycle === 'terminated' && lifecycle !== 'terminated');
  const { reason: _, ...before } = born ? stranger(agent.profile.agent_id, moved.sentAt) : agent;
  const lives = event !== 'created' && event !== 'stopped';
  const after: Agent = {
    ...before,
    profile: event === 'stopped' || event === 'error' ? before.profile : introduced(before.profile, moved.body),
    lifecycle,
    since: lifecycle === before.lifecycle ? before.since : moved.sentAt,
    ...(lives && { lastSeen: Math.max(moved.sentAt, before.lastSeen ?? 0), responsive: true }),
    ...(event === 'ready' && { status: before.load < 1 ? 'ready' : 'busy' }),
    ...(event === 'error' && { status: 'error' }),
  };
  return saysMore(agent, after) ? after : undefined;
};

/** undefined: it says nothing that has to be written. */
export const beat = (agent: Agent, { body, sentAt }: Beat): Agent | undefined => {
  if (agent.lifecycle === 'terminated' || sentAt < (agent.lastSeen ?? 0)) return undefined;
  const load = body.current_load ?? agent.load;
  const after: Agent = {
    ...agent,
    lastSeen: sentAt,
    responsive: true,
    status: body.status ?? (load < 1 ? 'ready' : 'busy'),
    load,
    activeTasks: body.active_tasks ?? agent.activeTasks,
  };
  const loadAside = { ...after, load: agent.load, activeTasks: agent.activeTasks };
  return saysMore(agent, loadAside) ? after : undefined;
};

const introduced = (known: Profile, body: Partial<Profile>): Profile => {
  const { agent_id: _, ...said } = body;
  return { ...known, ...said };
};

const saysMore = (before: Agent, after: Agent): boolean =>
  (after.lastSeen ?? 0) - (before.lastSeen ?? 0) >= SEEN_EVERY_MS || !isDeepStrictEqual({ ...after, lastSeen: before.lastSeen }, before);
