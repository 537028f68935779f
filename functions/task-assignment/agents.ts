/**
 * Agents that come and go. One that is ready takes what waits for it. One that stopped, says error or failed in a way that
 * leaves nobody there has lost its tasks: each is told so by a status message, in whose order it is decided as any other.
 */
import { type Alarm, type Decision, type Done, defineEntity, done } from '#shared/entity/entity.ts';
import { idOf } from '#shared/entity/key.ts';
import { agentError, agentReady, agentStopped } from '#shared/messages/lifecycle.ts';
import { failure } from '#shared/messages/supervision.ts';
import { isHealthy } from '#shared/registry/agent.ts';
import { isGone } from '#shared/supervision/gone.ts';
import { lost } from '#shared/tasks/outputs.ts';
import { NO_TASKS, type Slots, slotsKind } from '#shared/tasks/slots.ts';
import { type Ctx, closeBooks, openBooks, pull, queueKeys } from './books.ts';
import { type AgentEvent, readForAgents, TAKEN_AT_ONCE } from './view.ts';

/** Time for the registry to hear of it, too. */
const REGISTRY_LAG_MS = 1000;

const fetchWork = (slots: Slots | undefined, context: Ctx): { pulled: number; change: Done<Slots> } => {
  const books = openBooks([[context.id, slots ?? NO_TASKS]]);
  const pulled = pull(context.id, TAKEN_AT_ONCE, books, context);
  const state = pulled === 0 ? {} : { state: books.slots.get(context.id) as Slots };
  return { pulled, change: { outcome: 'done', ...state, ...closeBooks(books, context.id) } };
};

const welcome = (slots: Slots | undefined, context: Ctx): Decision<Slots> => {
  const agent = context.view.fleet.agents.get(context.id);
  if (!agent || !isHealthy(agent)) return done({ wakeAt: context.now + REGISTRY_LAG_MS });
  const { pulled, change } = fetchWork(slots, context);
  return pulled < TAKEN_AT_ONCE ? change : { ...change, wakeAt: context.now };
};

const wake = (slots: Slots | undefined, context: Ctx): Decision<Slots> => {
  if (context.wakeAt === null || context.now < context.wakeAt) return done();
  const { pulled, change } = fetchWork(slots, context);
  return { ...change, wakeAt: pulled < TAKEN_AT_ONCE ? null : context.now };
};

/** Tasks that it got since then are another incarnation's. */
const abandon = (slots: Slots | undefined, before: number, why: string, { id }: Ctx): Decision<Slots> => {
  const attempts = Object.entries(slots?.active ?? {}).filter(([, { at }]) => at <= before);
  return done({ publish: attempts.map(([taskId, { attempt }]) => lost(taskId, id, attempt, why)) });
};

export const decide = (slots: Slots | undefined, event: AgentEvent | Alarm, context: Ctx): Decision<Slots> => {
  switch (event.message) {
    case 'agentReady':
      return welcome(slots, context);
    case 'alarm':
      return wake(slots, context);
    case 'agentStopped':
      return abandon(slots, event.sentAt, 'stopped', context);
    case 'agentError':
      return abandon(slots, event.sentAt, 'reported an error', context);
    case 'failure':
      return isGone(event.body) ? abandon(slots, event.sentAt, `failed: ${event.body.failure_type}`, context) : done();
    default:
      throw event satisfies never;
  }
};

export const slots = defineEntity({
  of: slotsKind,
  accepts: [agentReady, agentStopped, agentError, failure],
  id: (event) => event.body.agent_id,
  decide,
  also: (_, event, view) => {
    if (event.message === 'alarm') return queueKeys(view, idOf(event.key));
    return event.message === 'agentReady' ? queueKeys(view, event.body.agent_id) : [];
  },
  read: readForAgents,
});
