/**
 * Keeps the record of every agent: its state (document 003), when it was last seen, its place in its domain.
 *
 * Every write is mirrored to the bucket AGENT_STATE, so an entry is renewed well within its 5 minutes while the agent
 * beats, and expires when it does not. Whether an agent is responsive is the health monitor's to say (`supervision.health`).
 * One that drains has left when it is unresponsive, or its time to drain is over; one that is silent for a day, or never came,
 * loses its place in its domain. An alarm that rings far too late tells of our own absence, in which heartbeats were lost: the
 * agent gets some time.
 */
import { type Alarm, type Context, type Decision, defineEntity, done, type Output } from '#shared/entity/entity.ts';
import type { EntityKey } from '#shared/entity/key.ts';
import { agentHeartbeat, agentSnapshot, sessionHeartbeat } from '#shared/messages/lifecycle.ts';
import type { Received } from '#shared/messages/message.ts';
import { orchestratorBroadcast } from '#shared/messages/orchestrator.ts';
import { health } from '#shared/messages/supervision.ts';
import { type Agent, agentKind, domainOf, lookupChildren } from '#shared/registry/agent.ts';
import { agentIdOf, type ForeignBeat } from '#shared/registry/agent-id.ts';
import { isInService } from '#shared/registry/lifecycle.ts';
import { domainKey, limitOf, memberCount } from './domain.ts';
import {
  type Beat,
  beat,
  type Commanded,
  commanded,
  commandedMessages,
  eventOf,
  lifecycleMessages,
  type Moved,
  move,
  stranger,
} from './evolve.ts';
import { foreignBeat } from './foreign.ts';
import { domainIsFull, illegalTransition, mirrored } from './outputs.ts';
import type { Settings } from './settings.ts';
import { keepSnapshot } from './snapshots.ts';

const FORGOTTEN_AFTER_MS = 24 * 3_600_000;
const LATE_MS = 30_000;
/** Several heartbeats. */
const AGAIN_MS = 600_000;

type Event = Moved | Commanded | Beat | ForeignBeat | Received<typeof health> | Received<typeof agentSnapshot>;

export const decide = (agent: Agent | undefined, event: Event | Alarm, context: Context<Settings>): Decision<Agent> => {
  switch (event.message) {
    case 'alarm':
      return forget(agent, context);
    case 'agentHeartbeat':
      return commitIf(agent, beat(agent ?? stranger(context.id, event.sentAt), event), context);
    case 'sessionHeartbeat':
    case 'orchestratorBroadcast':
      return commitIf(agent, foreignBeat(agent, event, context.id), context);
    case 'health':
      return judged(agent, event.body.status.state !== 'unresponsive', context);
    case 'agentSnapshot':
      return keepSnapshot(event, context);
    case 'agentSuspended':
    case 'agentResumed':
    case 'agentDraining':
      return commitIf(agent, agent && commanded(agent, event), context);
    case 'agentCreated':
    case 'agentStarted':
    case 'agentReady':
    case 'agentStopped':
    case 'agentError':
    case 'agentAvailable': {
      const before = agent ?? stranger(context.id, event.sentAt);
      const after = move(before, event);
      if (after === 'illegal') return done({ publish: [illegalTransition(before, eventOf(event), context)] });
      return commitIf(agent, after, context);
    }
    default:
      throw event satisfies never;
  }
};

const forget = (agent: Agent | undefined, context: Context<Settings>): Decision<Agent> => {
  const { now, wakeAt } = context;
  if (!agent || wakeAt === null || now < wakeAt) return done();
  // Its deadline is the clock's, not ours.
  if (isDrained(agent, now)) return commit(agent, gone(agent, 'drained', context), context);
  if (now - wakeAt > LATE_MS) return done({ wakeAt: now + AGAIN_MS });
  return commit(agent, gone(agent, 'silent', context), context);
};

const isDrained = ({ lifecycle, drainUntil = Infinity }: Agent, now: number): boolean => lifecycle === 'draining' && now >= drainUntil;

const gone = (agent: Agent, reason: string, { now }: Context<Settings>): Agent => ({
  ...agent,
  lifecycle: 'terminated',
  since: now,
  reason,
});

/** What the health monitor, or the agent itself, says of it. */
const judged = (agent: Agent | undefined, responsive: boolean, context: Context<Settings>): Decision<Agent> => {
  if (!agent || agent.lifecycle === 'terminated' || agent.responsive === responsive) return done();
  const after = { ...agent, responsive };
  return commit(agent, responsive || agent.lifecycle !== 'draining' ? after : gone(after, 'silent', context), context);
};

const alarmOf = ({ lifecycle, lastSeen, since, drainUntil = Infinity }: Agent): number | null => {
  if (lifecycle === 'terminated') return null;
  const forgotten = (lastSeen ?? since) + FORGOTTEN_AFTER_MS;
  return lifecycle === 'draining' ? Math.min(forgotten, drainUntil) : forgotten;
};

const commitIf = (before: Agent | undefined, after: Agent | undefined, context: Context<Settings>): Decision<Agent> =>
  after ? commit(before, after, context) : done();

const commit = (before: Agent | undefined, after: Agent, context: Context<Settings>): Decision<Agent> => {
  const also: Record<EntityKey, unknown> = {};
  const [left, joined] = [domainOf(before), domainOf(after)];
  if (left !== joined && joined !== undefined) {
    const members = memberCount(context, joined);
    const limit = limitOf(context.settings, joined);
    if (members >= limit) return refuse(before, joined, limit, context);
    also[domainKey(joined)] = { members: members + 1 };
  }
  if (left !== joined && left !== undefined) also[domainKey(left)] = { members: memberCount(context, left) - 1 };
  const children = lookupChildren(after);
  const names = new Set(children.map(({ name }) => name));
  const old = new Set(lookupChildren(before).map(({ name }) => name));
  return done({
    state: after,
    wakeAt: alarmOf(after),
    publish: said(before, after),
    children: children.filter(({ name }) => !old.has(name)),
    drop: [...old].filter((name) => !names.has(name)),
    also,
  });
};

/** What was new is listed as unregistered, what was known stays as it was. */
const refuse = (before: Agent | undefined, domain: string, limit: number, context: Context<Settings>): Decision<Agent> => {
  const publish = [domainIsFull(domain, limit, context)];
  if (before) return done({ publish });
  const state: Agent = { ...stranger(context.id, context.now), reason: `domain ${domain} is full` };
  return done({ state, wakeAt: alarmOf(state), publish });
};

const said = (before: Agent | undefined, after: Agent): Output[] => {
  // Its entry in the bucket expires by itself.
  const fellSilent = before?.responsive === true && !after.responsive && isInService(after.lifecycle);
  return !fellSilent && [before, after].some((agent) => agent && isInService(agent.lifecycle)) ? [mirrored(after)] : [];
};

/** As far as its place in a domain depends on it. */
const lifecycleAfter = (agent: Agent | undefined, event: Event | Alarm): Agent | undefined => {
  switch (event.message) {
    case 'alarm':
      return undefined;
    case 'health':
      return agent?.lifecycle === 'draining' ? undefined : agent;
    case 'agentHeartbeat':
    case 'sessionHeartbeat':
    case 'orchestratorBroadcast':
    case 'agentSnapshot':
    case 'agentSuspended':
    case 'agentResumed':
    case 'agentDraining':
      return agent;
    default: {
      const after = move(agent ?? stranger(event.body.agent_id, event.sentAt), event);
      return after === 'illegal' ? undefined : after;
    }
  }
};

export const agents = defineEntity({
  of: agentKind,
  accepts: [...lifecycleMessages, ...commandedMessages, agentHeartbeat, sessionHeartbeat, orchestratorBroadcast, health, agentSnapshot],
  id: agentIdOf,
  decide,
  needsChildren: (_, event) => event.message === 'agentSnapshot',
  also: (agent, event) => {
    const was = domainOf(agent);
    const joined = domainOf(lifecycleAfter(agent, event));
    return was === joined ? [] : [was, joined].filter((domain) => domain !== undefined).map(domainKey);
  },
});
