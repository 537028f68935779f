/**
 * Brings agents back, as Erlang/OTP's supervisors would. Whoever is to be recovered is restarted by the strategy of its
 * supervisor: survivors that the strategy touches are stopped in reverse start order, then all are started in start order, one
 * after the other, each when the one before is ready. A restart that fails is tried again after a backoff; each counts. A
 * supervisor with too many restarts gives up and is itself restarted by the one above it; above the last are people.
 *
 * An agent is part of one recovery at a time: what fails meanwhile joins it. A recovery ends within its time: recovered, or
 * given up and escalated.
 */
import { type Alarm, type Decision, defineEntity } from '#shared/entity/entity.ts';
import type { agentReady, agentStopped } from '#shared/messages/lifecycle.ts';
import type { Received } from '#shared/messages/message.ts';
import type { recovery } from '#shared/messages/supervision.ts';
import type { supervisorEvent } from '#shared/messages/supervisor.ts';
import { childOf, levelOf } from '#shared/supervision/strategy.ts';
import { isOverdue } from './advance.ts';
import { closeDesk, type Desk, type Held, heldPlan, openDesk, putPlan } from './desk.ts';
import { goOn } from './go-on.ts';
import { escalated, over } from './outputs.ts';
import { because, ended, gone, isStartedBy, type Member, memberOf, nextToStart, nextToStop, postponed, settled } from './plan.ts';
import { type Recovery, recoveryKind } from './recovery.ts';
import { isBack, requestOf } from './request.ts';
import { endOfAgent, failedStart } from './restart.ts';
import { goOnWithout, leaveDown } from './unrecovered.ts';
import { agentOf, alsoKeys, type Ctx, type Event, familyOf, messages, readView } from './view.ts';

const REMEMBERED_IDS = 50;
/** An alarm that is so much too late tells of an outage or of a rush, in which the agents were not heard: they get time to be. */
const LATE_MS = 2000;
const CATCH_UP_MS = 2000;

export const decide = (before: Recovery | undefined, event: Event | Alarm, context: Ctx): Decision<Recovery> => {
  const desk = openDesk(before, context);
  switch (event.message) {
    case 'recovery': {
      const refused = request(desk, event);
      if (refused) return refused;
      break;
    }
    case 'agentReady':
      ready(desk, event);
      break;
    case 'agentStopped':
      stopped(desk, event);
      break;
    case 'supervisorEvent':
      if (event.body.event_type === 'restart_failed') notStarted(desk, event);
      break;
    case 'alarm':
      if (context.wakeAt !== null && context.now >= context.wakeAt) wake(desk);
      break;
    default:
      throw event satisfies never;
  }
  return closeDesk(desk);
};

/** The recovery that the agent is part of, and as what. */
const partOf = (desk: Desk): (Held & { member: Member }) | undefined => {
  const held = heldPlan(desk);
  const member = memberOf(held?.plan, desk.context.id);
  return held && member && { ...held, member };
};

const isToStop = ({ todo }: Member): boolean => todo === 'stop' || todo === 'retire';

const request = (desk: Desk, { body }: Received<typeof recovery>): Decision<Recovery> | undefined => {
  const { agent_id, recovery_action } = body;
  if (recovery_action !== 'restart') {
    const message = `recovery of agent ${agent_id} asks for ${recovery_action}, which nobody does: ask for restart`;
    return { outcome: 'deadLetter', reason: { code: 'not_supported', message } };
  }
  const { failure, failedAt, reason } = requestOf(body);
  if (failure !== undefined && desk.own.seen.includes(failure)) return undefined;
  if (failure !== undefined) desk.own = { ...desk.own, seen: [...desk.own.seen, failure].slice(-REMEMBERED_IDS) };
  if (isBack(desk.context.view.agents.get(agent_id), failedAt)) return undefined;
  const held = partOf(desk);
  if (held && isToStop(held.member)) goOn(desk, held.at, because(gone(held.plan, held.member), reason));
  else if (held?.member.todo === 'start') putPlan(desk, held.at, because(held.plan, reason));
  else endOfAgent(desk, { agent: agent_id, child: agent_id, chain: desk.chain, how: 'abnormal', reason, failure });
  return undefined;
};

const ready = (desk: Desk, { sentAt }: Received<typeof agentReady>): void => {
  const held = partOf(desk);
  if (held?.member.todo !== 'start' || !isStartedBy(held.plan, held.member, sentAt)) return;
  goOn(desk, held.at, settled(held.plan, held.member));
};

const stopped = (desk: Desk, { body, sentAt }: Received<typeof agentStopped>): void => {
  const { id, view } = desk.context;
  if (isBack(view.agents.get(id), sentAt)) return;
  const held = partOf(desk);
  if (held && isToStop(held.member)) {
    goOn(desk, held.at, gone(held.plan, held.member));
    return;
  }
  const [supervisor] = desk.chain;
  // What ends before its restart is the end of what it was; and whom its supervisor stopped is not to run.
  if (supervisor === undefined || held?.member.todo === 'start' || body.reason === 'shutdown') return;
  const { restart } = childOf(familyOf(view)(supervisor), id);
  if (held && restart !== 'permanent') return;
  const reason = body.reason === undefined ? 'it stopped' : `it stopped: ${body.reason}`;
  endOfAgent(desk, { agent: id, child: id, chain: desk.chain, how: 'normal', reason });
};

const notStarted = (desk: Desk, { body }: Received<typeof supervisorEvent>): void => {
  const held = partOf(desk);
  const { order, recoveryId } = held?.plan ?? {};
  if (!held || order?.to !== 'start' || order.agent !== desk.context.id) return;
  const { recovery_id = recoveryId, attempt = held.member.orders, reason } = body;
  if (recovery_id !== recoveryId || attempt !== held.member.orders) return;
  const why = typeof reason === 'string' ? `the restart failed: ${reason}` : 'the restart failed';
  startFailed(desk, held, order.agent, why);
};

const startFailed = (desk: Desk, held: Held, agent: string, reason: string): void => {
  if (held.plan.isQuiet) leaveDown(desk, held, agent, reason);
  else endOfAgent(desk, { ...failedStart(desk, held, agent), how: 'abnormal', reason });
};

const wake = (desk: Desk): void => {
  const { context } = desk;
  const held = heldPlan(desk);
  if (!held || held.plan.keeper !== context.id) return;
  const { order, startedAt, deadline, nextAt } = held.plan;
  const late = context.now - nextAt;
  // Where alarms are late for long, it has twice its time and no more.
  const mayTakeLonger = deadline < startedAt + 2 * context.settings.timeout;
  if (late > LATE_MS && mayTakeLonger) goOn(desk, held.at, postponed(held.plan, late + CATCH_UP_MS));
  else if (context.now >= deadline) giveUp(desk, held);
  else if (order && isOverdue(held.plan, context)) {
    const reason = `agent ${order.agent} was not ready within ${context.settings.attempt} ms`;
    startFailed(desk, held, order.agent, reason);
  } else goOn(desk, held.at, held.plan);
};

/** Its time is over. */
const giveUp = (desk: Desk, { at, plan }: Held): void => {
  const { now, settings } = desk.context;
  const { agent } = nextToStop(plan) ?? nextToStart(plan) ?? { agent: desk.context.id };
  const reason = `not recovered within ${settings.timeout} ms: ${plan.reasons.at(-1)}`;
  const last = ended(plan, 'gave_up', now);
  putPlan(desk, at, last);
  desk.publish.push(over(last, reason), escalated({ agent, level: levelOf(plan.supervisor), supervisor: plan.supervisor, reason }));
  goOnWithout(desk, { at, plan }, agent);
};

export const recoveries = defineEntity({
  of: recoveryKind,
  accepts: messages,
  id: agentOf,
  decide,
  also: alsoKeys,
  read: readView,
});
