/** The next step of a plan: one order at a time, and who is to stop is asked again until it did or its time is over. Pure. */
import type { Output } from '#shared/entity/entity.ts';
import type { Agent } from '#shared/registry/agent.ts';
import { begun, over, startOrdered, stopAsked } from './outputs.ts';
import { ended, gone, type Member, memberOf, nextToStart, nextToStop, ordered, type Plan } from './plan.ts';
import type { Ctx } from './view.ts';

/** Commands to agents may be lost. */
const SAY_AGAIN_MS = 1000;

export type Advanced = { plan: Plan; publish: Output[] };

export const advance = (plan: Plan, context: Ctx): Advanced => {
  const stopping = nextToStop(plan);
  if (stopping) return stop(plan, stopping, context);
  const starting = nextToStart(plan);
  if (starting) return start(plan, starting, context);
  const last = ended(plan, 'recovered', context.now);
  return { plan: last, publish: plan.isQuiet ? [] : [over(last)] };
};

/** As the registry knows, of the incarnation that is to stop. */
const isGone = (agent: Agent | undefined, { orderedAt }: Member): boolean => {
  if (!agent) return false;
  return agent.lifecycle === 'terminated' ? agent.since >= orderedAt : !agent.responsive && (agent.lastSeen ?? 0) >= orderedAt;
};

const stop = (plan: Plan, member: Member, context: Ctx): Advanced => {
  const { now, view } = context;
  const waiting = plan.order?.agent === member.agent && plan.order.to === 'stop' ? plan.order : undefined;
  const order = waiting ?? { agent: member.agent, to: 'stop' as const, at: now, saidAt: -Infinity };
  const until = order.at + Math.max(member.shutdown, SAY_AGAIN_MS);
  if (isGone(view.agents.get(member.agent), member) || now >= until) return advance(gone(plan, member), context);
  const isDue = now >= order.saidAt + SAY_AGAIN_MS;
  const said = isDue ? { ...order, saidAt: now } : order;
  const nextAt = Math.min(said.saidAt + SAY_AGAIN_MS, until, plan.deadline);
  return { plan: { ...plan, order: said, nextAt }, publish: isDue ? [stopAsked(plan, member, until)] : [] };
};

const start = (plan: Plan, member: Member, { now, settings, view }: Ctx): Advanced => {
  const wait = (nextAt: number) => Math.min(nextAt, plan.deadline);
  if (plan.order?.agent === member.agent) return { plan: { ...plan, nextAt: wait(plan.order.at + settings.attempt) }, publish: [] };
  if (now < plan.notBefore) return { plan: { ...plan, order: null, nextAt: wait(plan.notBefore) }, publish: [] };
  const known = view.known.get(member.agent);
  // What it had is read by the alarm, which rings at once.
  if (!known) return { plan: { ...plan, order: null, nextAt: now }, publish: [] };
  const after = ordered(plan, member, now);
  const told = startOrdered(after, memberOf(after, member.agent) ?? member, known);
  return { plan: { ...after, nextAt: wait(now + settings.attempt) }, publish: [told] };
};

/** A plan that begins, that has to do with more agents than before, or that only cleared up before. */
export const advanceTold = (before: Plan | undefined, plan: Plan, context: Ctx): Advanced => {
  const after = advance(plan, context);
  const isNews = plan.members.length > (before?.members.length ?? 0) || before?.isQuiet;
  return { plan: after.plan, publish: [...(isNews ? [begun(plan)] : []), ...after.publish] };
};

/** Whether an agent that was to be started has used up its time. */
export const isOverdue = (plan: Plan, { now, settings }: Ctx): boolean =>
  plan.order?.to === 'start' && now >= plan.order.at + settings.attempt;
