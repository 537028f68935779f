/**
 * Agents that come and go. One that is ready is on the roster and takes what waits for it, also when it is resumed or its circuit
 * lets it again. One that stopped, says error or failed in a way that leaves nobody there has lost its tasks, and so has one that
 * says nothing in time: each task is told by a status message, in whose order it is decided as any other.
 */
import { type Alarm, type Decision, type Done, defineEntity, done } from '#shared/entity/entity.ts';
import type { EntityKey } from '#shared/entity/key.ts';
import { circuitClosed, circuitHalfOpen } from '#shared/messages/circuit.ts';
import { agentError, agentReady, agentResumed, agentStopped } from '#shared/messages/lifecycle.ts';
import { failure } from '#shared/messages/supervision.ts';
import { taskStatus } from '#shared/messages/task.ts';
import { isGone } from '#shared/supervision/gone.ts';
import { bulkheadKey } from '#shared/tasks/bulkhead.ts';
import { lost, overdue } from '#shared/tasks/outputs.ts';
import { agentOfSlots, rosterChildren, rosterValues, slotsIdOf } from '#shared/tasks/roster.ts';
import { NO_TASKS, type Slots, slotsKey, slotsKind } from '#shared/tasks/slots.ts';
import { taskKey } from '#shared/tasks/task.ts';
import { type Ctx, closeBooks, openBooks, setSlots, slotsIn } from './books.ts';
import { pull } from './placing.ts';
import { hear } from './statuses.ts';
import { type AgentEvent, readForAgents, TAKEN_AT_ONCE } from './view.ts';

/** Time for the registry to hear of it, too; then twice as long each time, three minutes in all. */
const REGISTRY_LAG_MS = 100;
const LOOKS = 11;
/** After which the registry surely knows of this life of it, not of the one before. */
const SURELY_MS = 1000;
/** An alarm that is so much too late tells of an outage, in which the agents were not heard: they get time to be. */
const LATE_MS = 2000;
const CATCH_UP_MS = 30_000;
/** What was told to be overdue is told again: a stream may lose it. */
const REMIND_MS = 60_000;

/** Is it known by now? Then it is found under all that it can, and takes what waits for it. */
const look = (slots: Slots, agentId: string, looks: number, context: Ctx): Done<Slots> => {
  const agent = context.view.fleet.agents.get(agentId);
  const { lookAt: _, looks: __, ...rest } = slots;
  if (agent?.lifecycle !== 'active') {
    const again = looks < LOOKS ? { lookAt: context.now + REGISTRY_LAG_MS * 2 ** looks, looks: looks + 1 } : {};
    return { outcome: 'done', state: { ...rest, ...again } };
  }
  const roster = rosterValues(agent.profile);
  const books = openBooks(context);
  setSlots(books, agentId, { ...rest, roster });
  const mayBeMore = pull(books, agentId, TAKEN_AT_ONCE);
  setSlots(books, agentId, { ...slotsIn(books, agentId), ...lookAgain(looks, mayBeMore, context.now) });
  return {
    ...closeBooks<Slots>(books, slotsKey(agentId)),
    children: rosterChildren(roster.filter((value) => !slots.roster.includes(value))),
    drop: slots.roster.filter((value) => !roster.includes(value)),
  };
};

/** Whether there may be more, or the registry may have told of its life before. */
const lookAgain = (looks: number, mayBeMore: boolean, now: number): Pick<Slots, 'lookAt' | 'looks'> => {
  if (mayBeMore) return { lookAt: now, looks };
  return looks === 0 ? { lookAt: now + SURELY_MS, looks: 1 } : {};
};

/** What waits for it, without a look whether it is known. A look that is to come begins anew. */
const fill = (slots: Slots, agentId: string, context: Ctx): Done<Slots> => {
  const books = openBooks(context);
  if (pull(books, agentId, TAKEN_AT_ONCE))
    setSlots(books, agentId, { ...slotsIn(books, agentId), lookAt: context.now, looks: slots.lookAt === undefined ? LOOKS : 0 });
  return closeBooks(books, slotsKey(agentId));
};

const wake = (slots: Slots | undefined, agentId: string, context: Ctx): Decision<Slots> => {
  const { now, wakeAt } = context;
  if (!slots || wakeAt === null || now < wakeAt) return done();
  const late = Object.entries(slots.active).filter(([, { due }]) => due <= now);
  if (late.length === 0) return look(slots, agentId, slots.looks ?? LOOKS, context);
  if (now - wakeAt > LATE_MS) return done({ state: dueAt(slots, late, { due: now + CATCH_UP_MS }) });
  const publish = late.map(([taskId, attempt]) => overdue(taskId, agentId, attempt));
  return done({ state: dueAt(slots, late, { due: now + REMIND_MS, overdue: true }), publish });
};

const dueAt = (slots: Slots, late: [string, Slots['active'][string]][], change: { due: number; overdue?: true }): Slots => ({
  ...slots,
  active: { ...slots.active, ...Object.fromEntries(late.map(([taskId, attempt]) => [taskId, { ...attempt, ...change }])) },
});

/** Tasks that it got since then are another incarnation's. */
const abandon = (slots: Slots | undefined, agentId: string, before: number, why: string): Done<Slots> => {
  const attempts = Object.entries(slots?.active ?? {}).filter(([, { at }]) => at <= before);
  return { outcome: 'done', publish: attempts.map(([taskId, { attempt }]) => lost(taskId, agentId, attempt, why)) };
};

const leave = (slots: Slots | undefined, agentId: string, before: number, { view }: Ctx): Done<Slots> => {
  const left = abandon(slots, agentId, before, 'stopped');
  const agent = view.fleet.agents.get(agentId);
  // It was heard late: the agent was started again since.
  if (agent?.lifecycle === 'active' && agent.since > before) return left;
  return slots && slots.roster.length > 0 ? { ...left, state: { ...slots, roster: [] }, drop: slots.roster } : left;
};

export const decide = (slots: Slots | undefined, event: AgentEvent | Alarm, context: Ctx): Decision<Slots> => {
  const agentId = agentOfSlots(context.id);
  switch (event.message) {
    case 'agentReady':
      return look(slots ?? NO_TASKS, agentId, 0, context);
    case 'agentResumed':
      return slots ? look(slots, agentId, 0, context) : done();
    case 'circuitClosed':
    case 'circuitHalfOpen':
      // Most services are no agents.
      return slots ? fill(slots, agentId, context) : done();
    case 'alarm':
      return wake(slots, agentId, context);
    case 'agentStopped':
      return leave(slots, agentId, event.sentAt, context);
    case 'agentError':
      return abandon(slots, agentId, event.sentAt, 'reported an error');
    case 'failure':
      return isGone(event.body) ? abandon(slots, agentId, event.sentAt, `failed: ${event.body.failure_type}`) : done();
    case 'taskStatus':
      return hear(slots, event, context);
    default:
      throw event satisfies never;
  }
};

/** Besides what is shared: the task that an agent speaks of, and the bulkhead that it counts in, wherever the agent is by now. */
const also = (slots: Slots | undefined, event: AgentEvent | Alarm): EntityKey[] => {
  if (event.message !== 'taskStatus') return [];
  const domain = slots?.active[event.body.task_id]?.domain;
  return [taskKey(event.body.task_id), ...(domain === undefined ? [] : [bulkheadKey(domain)])];
};

export const slots = defineEntity({
  of: slotsKind,
  accepts: [agentReady, agentResumed, agentStopped, agentError, circuitClosed, circuitHalfOpen, failure, taskStatus],
  id: (event) => slotsIdOf('service' in event.body ? (event.body.service as string) : event.body.agent_id),
  decide,
  also,
  shared: (view) => view.shared,
  read: readForAgents,
});
