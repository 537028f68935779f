/** What a message makes of an agent, before its domain's limit has a say. Pure. */
import { isDeepStrictEqual } from 'node:util';
import { agentAvailable } from '#shared/messages/discovery.ts';
import {
  agentCreated,
  agentDraining,
  agentError,
  type agentHeartbeat,
  agentReady,
  agentResumed,
  agentStarted,
  agentStopped,
  agentSuspended,
} from '#shared/messages/lifecycle.ts';
import type { Received } from '#shared/messages/message.ts';
import { type Agent, profileSchema } from '#shared/registry/agent.ts';
import { isMember, type LifecycleEvent, transition } from '#shared/registry/lifecycle.ts';

export const lifecycleMessages = [agentCreated, agentStarted, agentReady, agentStopped, agentError, agentAvailable] as const;
/** It answered a command: not its own words, so they neither introduce it nor are a sign of life. */
export const commandedMessages = [agentSuspended, agentResumed, agentDraining] as const;

export type Moved = Received<(typeof lifecycleMessages)[number]>;
export type Commanded = Received<(typeof commandedMessages)[number]>;
export type Beat = Received<typeof agentHeartbeat>;

/** Where nothing else changed, last-seen is written no more often than this: well within the 5 minutes of the bucket. The sweep
 * writes once more, to let go of the entry that was put there. */
const SEEN_EVERY_MS = 200_000;
/** A load that changed by so much is written, but no more often. */
const LOAD_CHANGE = 0.2;
const LOAD_EVERY_MS = 10_000;

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
  const introduces = event !== 'stopped' && event !== 'error';
  const isSignOfLife = event !== 'stopped' && event !== 'created';
  const after: Agent = {
    ...before,
    profile: introduces ? profileSchema.parse({ ...before.profile, ...moved.body }) : before.profile,
    lifecycle,
    since: lifecycle === before.lifecycle ? before.since : moved.sentAt,
    ...(isSignOfLife && { lastSeen: Math.max(moved.sentAt, before.lastSeen ?? 0), responsive: true }),
    ...said(before, moved),
  };
  return saysMore(agent, after) ? after : undefined;
};

const said = (agent: Agent, moved: Moved): Partial<Agent> => {
  switch (moved.message) {
    case 'agentReady': {
      const { current_load: load = agent.load, active_tasks: activeTasks = agent.activeTasks } = moved.body;
      return { status: load < 1 ? 'ready' : 'busy', load, activeTasks };
    }
    case 'agentError':
      return { status: 'error' };
    case 'agentStopped':
      return moved.body.reason === undefined ? {} : { reason: moved.body.reason };
    case 'agentCreated':
    case 'agentStarted':
    case 'agentAvailable':
      return {};
    default:
      throw moved satisfies never;
  }
};

const COMMANDED: Record<Commanded['message'], LifecycleEvent> = {
  agentSuspended: 'suspended',
  agentResumed: 'resumed',
  agentDraining: 'draining',
};

/** undefined: it changes nothing. */
export const commanded = (agent: Agent, { message, body, sentAt }: Commanded): Agent | undefined => {
  const lifecycle = transition(agent.lifecycle, COMMANDED[message]);
  if (lifecycle === undefined || (lifecycle === agent.lifecycle && lifecycle !== 'draining')) return undefined;
  const drainUntil = message === 'agentDraining' && typeof body.deadline === 'string' ? Date.parse(body.deadline) : agent.drainUntil;
  const since = lifecycle === agent.lifecycle ? agent.since : sentAt;
  const after: Agent = { ...agent, lifecycle, since, ...(drainUntil !== undefined && { drainUntil }) };
  if (message === 'agentResumed' && after.status === 'paused') after.status = after.load < 1 ? 'ready' : 'busy';
  return isDeepStrictEqual(after, agent) ? undefined : after;
};

/** undefined: it says nothing that has to be written. */
export const beat = (agent: Agent, { body, sentAt }: Beat): Agent | undefined => {
  if (agent.lifecycle === 'terminated') return undefined;
  const { current_load: load = agent.load, active_tasks: activeTasks = agent.activeTasks } = body;
  return seen(agent, { status: body.status ?? (load < 1 ? 'ready' : 'busy'), load, activeTasks }, sentAt);
};

/** It gave a sign of life at a time, epoch ms. undefined: it says nothing that has to be written. */
export const seen = (agent: Agent, now: Pick<Agent, 'status' | 'load' | 'activeTasks'>, at: number): Agent | undefined => {
  const age = at - (agent.lastSeen ?? -Infinity);
  const isNews =
    now.status !== agent.status || age >= SEEN_EVERY_MS || (age >= LOAD_EVERY_MS && Math.abs(now.load - agent.load) >= LOAD_CHANGE);
  return age >= 0 && isNews ? { ...agent, ...now, lastSeen: at } : undefined;
};

const saysMore = (before: Agent, after: Agent): boolean =>
  (after.lastSeen ?? 0) - (before.lastSeen ?? 0) >= SEEN_EVERY_MS || !isDeepStrictEqual({ ...after, lastSeen: before.lastSeen }, before);
