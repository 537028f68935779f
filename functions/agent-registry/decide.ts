/**
 * Keeps the record of every agent: its state (document 003), when it was last seen, its place in its domain.
 *
 * Every write is mirrored to the bucket AGENT_STATE, so an entry is renewed well within its 5 minutes while the agent
 * beats, and expires when it does not. An agent that was seen and then is silent for 90 s is unresponsive, which is noticed
 * up to 30 s later, because last-seen is written no more often; its next sign of life is published as health. One that is silent for a day, or never came, loses its place in its domain. An alarm that
 * rings far too late tells of our own absence, in which heartbeats were lost: the agent gets its 90 s again.
 */
import { type Alarm, type Context, type Decision, defineEntity, done, type Output } from '#shared/entity/entity.ts';
import type { EntityKey } from '#shared/entity/key.ts';
import { agentHeartbeat } from '#shared/messages/lifecycle.ts';
import { type Agent, agentKind, domainOf, lookupChildren } from '#shared/registry/agent.ts';
import { isInService } from '#shared/registry/lifecycle.ts';
import { domainKey, limitOf, memberCount } from './domain.ts';
import { type Beat, beat, eventOf, lifecycleMessages, type Moved, move, SEEN_EVERY_MS, stranger } from './evolve.ts';
import { domainIsFull, illegalTransition, isWell, mirrored, wentSilent } from './outputs.ts';
import type { Settings } from './settings.ts';

/** Silent for 90 s for certain, though the last sign of life may be as much younger than what was written. */
const DEAD_AFTER_MS = 90_000 + SEEN_EVERY_MS;
const FORGOTTEN_AFTER_MS = 24 * 3_600_000;
const LATE_MS = 30_000;

type Event = Moved | Beat;

export const decide = (agent: Agent | undefined, event: Event | Alarm, context: Context<Settings>): Decision<Agent> => {
  switch (event.message) {
    case 'alarm':
      return watch(agent, context);
    case 'agentHeartbeat': {
      const after = beat(agent ?? stranger(context.id, event.sentAt), event);
      return after ? commit(agent, after, context) : done();
    }
    case 'agentCreated':
    case 'agentStarted':
    case 'agentReady':
    case 'agentStopped':
    case 'agentError':
    case 'agentAvailable': {
      const before = agent ?? stranger(context.id, event.sentAt);
      const after = move(before, event);
      if (after === 'illegal') return done({ publish: [illegalTransition(before, eventOf(event), context)] });
      return after ? commit(agent, after, context) : done();
    }
    default:
      throw event satisfies never;
  }
};

const watch = (agent: Agent | undefined, context: Context<Settings>): Decision<Agent> => {
  const { now, wakeAt } = context;
  if (!agent || wakeAt === null || now < wakeAt) return done();
  if (now - wakeAt > LATE_MS) return done({ wakeAt: now + DEAD_AFTER_MS });
  // An agent that is silent while it drains has left.
  if (!isWatched(agent) || agent.lifecycle === 'draining')
    return commit(agent, { ...agent, lifecycle: 'terminated', since: now, reason: 'silent' }, context);
  return commit(agent, { ...agent, responsive: false }, context);
};

/** Whether silence of 90 s is news. */
const isWatched = (agent: Agent): boolean => agent.lastSeen !== null && agent.responsive;

const alarmOf = (agent: Agent): number | null => {
  if (agent.lifecycle === 'terminated') return null;
  return isWatched(agent) ? (agent.lastSeen ?? 0) + DEAD_AFTER_MS : (agent.lastSeen ?? agent.since) + FORGOTTEN_AFTER_MS;
};

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
    publish: said(before, after, context),
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

const said = (before: Agent | undefined, after: Agent, { now }: Context<Settings>): Output[] => {
  const wasResponsive = before?.responsive ?? true;
  if (wasResponsive && !after.responsive) return [wentSilent(after, now)];
  const shown = [before, after].some((agent) => agent && isInService(agent.lifecycle));
  const recovered = !wasResponsive && after.responsive;
  return [...(shown ? [mirrored(after)] : []), ...(recovered ? [isWell(after)] : [])];
};

export const agents = defineEntity({
  of: agentKind,
  accepts: [...lifecycleMessages, agentHeartbeat],
  id: (event) => event.body.agent_id,
  decide,
  also: (agent, event) => {
    if (event.message === 'agentHeartbeat') return [];
    const left = domainOf(agent);
    const after = event.message === 'alarm' ? undefined : move(agent ?? stranger(event.body.agent_id, event.sentAt), event);
    const joined = after === 'illegal' ? undefined : domainOf(after);
    return left === joined ? [] : [left, joined].filter((domain) => domain !== undefined).map(domainKey);
  },
});
