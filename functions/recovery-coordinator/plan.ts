/**
 * A recovery as a plan: who has to be stopped and who started, in start order. What has to stop is stopped first, the last one
 * first; then what has to start is started, one after the other. Pure.
 */
import * as z from 'zod';
import type { Leaf } from '#shared/supervision/strategy.ts';

const memberSchema = z.object({
  agent: z.string(),
  /** Its direct supervisor, whose process is asked. */
  owner: z.string(),
  /** The child of the plan's supervisor that it is, or is below. */
  child: z.string(),
  /** How long it may take to stop, ms. */
  shutdown: z.number(),
  /** Those of the lowest are stopped first. */
  wave: z.int(),
  /** What is left to do: stop and start it, stop it for good, start it. */
  todo: z.enum(['stop', 'retire', 'start', 'none']),
  /** When the recovery was last told to restart it, epoch ms. */
  since: z.number(),
  /** How often its start was ordered, and when last; 0: never. */
  orders: z.int(),
  orderedAt: z.number(),
});

export const planSchema = z.object({
  recoveryId: z.string(),
  /** The supervisor whose strategy it is. */
  supervisor: z.string(),
  /** It clears up after a supervisor that is over or a recovery that gave up, as was told then: nothing more is said of it. */
  isQuiet: z.boolean(),
  /** Why, the last ones. */
  reasons: z.array(z.string()),
  /** Epoch ms, as all times. */
  startedAt: z.number(),
  deadline: z.number(),
  endedAt: z.number().nullable(),
  outcome: z.enum(['under_way', 'recovered', 'gave_up']),
  members: z.array(memberSchema),
  /** What was ordered and is waited for, since when, and when it was last said. */
  order: z.object({ agent: z.string(), to: z.enum(['stop', 'start']), at: z.number(), saidAt: z.number() }).nullable(),
  /** Restarts that failed. */
  failures: z.int(),
  /** No start is ordered before. */
  notBefore: z.number(),
  /** When to look at it again. */
  nextAt: z.number(),
  /** The agent whose alarm that is. */
  keeper: z.string(),
});

export type Member = z.infer<typeof memberSchema>;
export type Plan = z.infer<typeof planSchema>;

/** `retire`: it is not started again. */
export type Touched = Leaf & Pick<Member, 'child' | 'wave'> & { retire: boolean };

const REMEMBERED_REASONS = 5;

export type Begun = Pick<Plan, 'recoveryId' | 'supervisor' | 'keeper'> & { now: number; timeout: number; isQuiet?: boolean };

/** Nobody is touched by it yet. */
export const newPlan = ({ now, timeout, isQuiet = false, ...rest }: Begun): Plan => ({
  ...rest,
  isQuiet,
  reasons: [],
  startedAt: now,
  deadline: now + timeout,
  endedAt: null,
  outcome: 'under_way',
  members: [],
  order: null,
  failures: 0,
  notBefore: now,
  nextAt: now,
});

export const isUnderWay = (plan: Plan | null | undefined): plan is Plan => plan?.outcome === 'under_way';
export const memberOf = (plan: Plan | null | undefined, agentId: string): Member | undefined =>
  plan?.members.find(({ agent }) => agent === agentId);
export const affected = (plan: Plan): string[] => plan.members.map(({ agent }) => agent);
/** Orders to start, of all members. */
export const attemptsOf = (plan: Plan): number => plan.members.reduce((sum, { orders }) => sum + orders, 0);

/** Remembers why. */
export const because = (plan: Plan, reason: string): Plan =>
  plan.reasons.includes(reason) ? plan : { ...plan, reasons: [...plan.reasons, reason].slice(-REMEMBERED_REASONS) };

/** Draws these agents in, whatever was done with them before. `down`: those that do not run; `order`: all agents, in start order. */
export const draw = (plan: Plan, touched: readonly Touched[], down: string, order: readonly string[], now: number): Plan => {
  const members = new Map(plan.members.map((member) => [member.agent, member]));
  for (const { retire, ...leaf } of touched) {
    const before = members.get(leaf.agent);
    // One whose start is ordered may run by now.
    const isDown = leaf.agent === down || (before?.todo === 'start' && plan.order?.agent !== leaf.agent);
    const todo = isDown ? (retire ? 'none' : 'start') : retire ? 'retire' : 'stop';
    members.set(leaf.agent, {
      ...leaf,
      child: before?.child ?? leaf.child,
      todo,
      since: now,
      orders: before?.orders ?? 0,
      orderedAt: before?.orderedAt ?? 0,
    });
  }
  const rank = new Map(order.map((agent, n) => [agent, n]));
  const sorted = [...members.values()].sort((a, b) => (rank.get(a.agent) ?? rank.size) - (rank.get(b.agent) ?? rank.size));
  // Whatever was waited for is not any more.
  return { ...plan, members: sorted, order: null };
};

const change = (plan: Plan, agentId: string, todo: Member['todo']): Plan => ({
  ...plan,
  members: plan.members.map((member) => (member.agent === agentId ? { ...member, todo } : member)),
  order: plan.order?.agent === agentId ? null : plan.order,
});

/** An agent that was to be stopped does not run any more. */
export const gone = (plan: Plan, { agent, todo }: Member): Plan => change(plan, agent, todo === 'stop' ? 'start' : 'none');

/** There is nothing left to do with it. */
export const settled = (plan: Plan, { agent }: Member): Plan => change(plan, agent, 'none');

/** Its start is ordered. */
export const ordered = (plan: Plan, { agent }: Member, now: number): Plan => ({
  ...plan,
  members: plan.members.map((member) => (member.agent === agent ? { ...member, orders: member.orders + 1, orderedAt: now } : member)),
  order: { agent, to: 'start', at: now, saidAt: now },
});

export const ended = (plan: Plan, outcome: 'recovered' | 'gave_up', now: number): Plan => ({ ...plan, outcome, endedAt: now, order: null });

/** Whether what an agent says of itself at `sentAt` is about the start that the plan waits for. */
export const isStartedBy = ({ startedAt }: Plan, { orderedAt }: Member, sentAt: number): boolean => sentAt > Math.max(startedAt, orderedAt);

/** All that is waited for may take so many ms more. */
export const postponed = (plan: Plan, by: number): Plan => ({
  ...plan,
  order: plan.order && { ...plan.order, at: plan.order.at + by },
  deadline: plan.deadline + by,
});

export const nextToStop = ({ members }: Plan): Member | undefined => {
  const left = members.filter(({ todo }) => todo === 'stop' || todo === 'retire');
  const first = Math.min(...left.map(({ wave }) => wave));
  return left.findLast(({ wave }) => wave === first);
};
export const nextToStart = (plan: Plan): Member | undefined => plan.members.find(({ todo }) => todo === 'start');

const LOOK_AHEAD = 3;

/** The agents of whom the next decision may have to know more. */
export const upcoming = (plan: Plan): string[] => {
  const stop = nextToStop(plan);
  const left = plan.members.filter(({ todo }) => todo === 'stop' || todo === 'start').slice(0, LOOK_AHEAD);
  return [...(stop ? [stop] : []), ...left].map(({ agent }) => agent);
};
