/**
 * What a decision has on its desk: the agent's own recoveries, those of the supervisors above it, and what it has to say. A
 * recovery further up that drew the agent in later has taken over; what it took over is cleared away when it is next seen.
 */
import { type Decision, done, type Output } from '#shared/entity/entity.ts';
import type { EntityKey } from '#shared/entity/key.ts';
import type { End } from '#shared/supervision/strategy.ts';
import { joined } from './outputs.ts';
import { isUnderWay, memberOf, type Plan } from './plan.ts';
import { type Group, groupKey, NO_RECOVERY, NO_RESTARTS, type Recovery, restartsKind } from './recovery.ts';
import { type Ctx, chainOfAgent, chainsOf, familyOf } from './view.ts';

export type Desk = {
  context: Ctx;
  before: Recovery | undefined;
  own: Recovery;
  /** By supervisor, the nearest first. */
  groups: Map<string, Group>;
  /** Supervisors of which it changed something. */
  changed: Set<string>;
  publish: Output[];
  /** The agent's supervisors, the nearest first; none: it is nobody's child. */
  chain: string[];
};

/** An agent that does not run. */
export type Failed = {
  agent: string;
  /** What ended for the first of `chain`: the agent, or the supervisor above it that could not start. */
  child: string;
  chain: readonly string[];
  how: End;
  reason: string;
  /** The failure's id, where it has one. */
  failure?: string | undefined;
};

export const openDesk = (before: Recovery | undefined, context: Ctx): Desk => {
  const own = before ?? NO_RECOVERY;
  const supervisors = chainsOf(context.view, context.id, own);
  const groups = new Map(supervisors.map((id) => [id, context.also(restartsKind, id) ?? NO_RESTARTS]));
  const desk: Desk = { context, before, own, groups, changed: new Set(), publish: [], chain: chainOfAgent(context.view, context.id) };
  tidy(desk);
  return desk;
};

export const groupOf = ({ groups }: Desk, supervisorId: string): Group => groups.get(supervisorId) ?? NO_RESTARTS;

const putGroup = (desk: Desk, supervisorId: string, group: Group): void => {
  desk.groups.set(supervisorId, group);
  desk.changed.add(supervisorId);
};

/** `touched`: its children that are supervisors and begin anew. Those that are its children no more are forgotten. */
export const countRestart = (desk: Desk, supervisorId: string, restarts: number[], touched: readonly string[]): void => {
  const { now, view } = desk.context;
  const group = groupOf(desk, supervisorId);
  const children = new Set(familyOf(view)(supervisorId).children.map(({ id }) => id));
  const known = Object.entries(group.restarted).filter(([id]) => children.has(id));
  const restarted = Object.fromEntries([...known, ...touched.map((id): [string, number] => [id, now])]);
  putGroup(desk, supervisorId, { ...group, restarts, restarted });
};

/** When a supervisor restarted the one of its children that the agent is, or is below; epoch ms, -Infinity: not as far as is known. */
export const restartedAt = (desk: Desk, supervisorId: string): number =>
  groupOf(desk, supervisorId).restarted[desk.chain[desk.chain.indexOf(supervisorId) - 1] ?? ''] ?? -Infinity;

/** `at`: the supervisor that keeps it; null: the agent itself does. */
export type Held = { at: string | null; plan: Plan };

/** The recovery under way that the agent is part of. */
export const heldPlan = (desk: Desk): Held | undefined => {
  let takenOverAt = -Infinity;
  for (const at of [...[...desk.groups.keys()].reverse(), null]) {
    const { plan } = at === null ? desk.own : groupOf(desk, at);
    const since = memberOf(plan, desk.context.id)?.since ?? -Infinity;
    if (isUnderWay(plan) && since > takenOverAt) return { at, plan };
    if (at !== null) takenOverAt = Math.max(takenOverAt, since, restartedAt(desk, at));
  }
  return undefined;
};

/** The recovery under way of a supervisor, of which the agent is no part yet. What a supervisor above took over is put away. */
export const joinablePlan = (desk: Desk, supervisorId: string): Plan | undefined => {
  const group = groupOf(desk, supervisorId);
  const { plan } = group;
  if (!isUnderWay(plan)) return undefined;
  const above = desk.chain.slice(desk.chain.indexOf(supervisorId) + 1);
  const takenOverAt = Math.max(...above.map((id) => restartedAt(desk, id)));
  if (!memberOf(plan, desk.context.id) && plan.members.some(({ since }) => since > takenOverAt)) return plan;
  putGroup(desk, supervisorId, { ...group, plan: null });
  desk.publish.push(joined(plan));
  return undefined;
};

/** Keeps a plan; one that is under way is this agent's to wake. */
export const putPlan = (desk: Desk, at: string | null, plan: Plan): void => {
  const kept = { ...plan, keeper: desk.context.id };
  if (at === null) desk.own = { ...desk.own, plan: kept };
  else putGroup(desk, at, { ...groupOf(desk, at), plan: kept });
};

/** What another recovery took over is not to be woken any more. */
const tidy = (desk: Desk): void => {
  const { id } = desk.context;
  const held = heldPlan(desk);
  const { plan } = desk.own;
  if (isUnderWay(plan) && held?.at !== null) {
    desk.own = { ...desk.own, plan: null };
    if (held?.plan.recoveryId !== plan.recoveryId) desk.publish.push(joined(plan));
  }
  for (const [at, group] of desk.groups) {
    if (!isUnderWay(group.plan) || group.plan.keeper !== id || held?.at === at) continue;
    putGroup(desk, at, { ...group, plan: null });
    if (!group.plan.isQuiet) desk.publish.push(joined(group.plan));
  }
  const keeps = held?.plan.keeper === id ? held.at : null;
  if (keeps !== desk.own.keeps) desk.own = { ...desk.own, keeps };
};

const alarmOf = (desk: Desk): number | null => {
  const { plan, keeps } = desk.own;
  if (keeps !== null) return groupOf(desk, keeps).plan?.nextAt ?? null;
  return isUnderWay(plan) ? plan.nextAt : null;
};

export const closeDesk = (desk: Desk): Decision<Recovery> => {
  const { before, context } = desk;
  tidy(desk);
  const changedOwn = desk.own !== (before ?? NO_RECOVERY);
  if (!changedOwn && desk.changed.size === 0 && desk.publish.length === 0 && alarmOf(desk) === context.wakeAt) return done();
  const also: Record<EntityKey, unknown> = {};
  for (const id of desk.changed) also[groupKey(id)] = groupOf(desk, id);
  return done({
    ...(changedOwn && { state: { ...desk.own, at: context.now } }),
    publish: desk.publish,
    wakeAt: alarmOf(desk),
    ...(desk.changed.size > 0 && { also }),
  });
};
