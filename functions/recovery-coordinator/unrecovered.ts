/** Where nobody restarts an agent: it stays down, what is left of a supervisor that is over is stopped, people are called. Pure. */
import { leavesOf, levelOf, type Verdict } from '#shared/supervision/strategy.ts';
import { type Desk, type Failed, type Held, heldPlan, putPlan } from './desk.ts';
import { goOn } from './go-on.ts';
import { escalated, notRestarted, over } from './outputs.ts';
import { type Begun, because, draw, ended, type Member, memberOf, newPlan, type Plan, settled } from './plan.ts';
import { familyOf, startOrderOf, wavesOf } from './view.ts';

type Unrecovered = Pick<Verdict, 'over'>;

const tooMany = (supervisor: string, reason: string): string => `not recovered: too many restarts for supervisor ${supervisor}: ${reason}`;

export const stayDown = (desk: Desk, held: Held | undefined, { over }: Unrecovered, failed: Failed): void => {
  const last = over.at(-1);
  if (last) retire(desk, over, last.supervisor, failed);
  else leaveOut(desk, held, failed);
  const gaveUp = over.findLast((one) => one.gaveUp)?.supervisor;
  if (gaveUp === undefined) return;
  const { agent, reason, failure } = failed;
  desk.publish.push(escalated({ agent, level: levelOf(gaveUp), supervisor: gaveUp, reason: tooMany(gaveUp, reason), failure }));
};

/** It is not started again, and its supervisor goes on without it. */
const leaveOut = (desk: Desk, held: Held | undefined, { agent, how, reason }: Failed): void => {
  const member = memberOf(held?.plan, agent);
  if (held && member) goOn(desk, held.at, settled(held.plan, member));
  const [supervisor] = desk.chain;
  if (how === 'abnormal' && supervisor !== undefined)
    desk.publish.push(notRestarted(supervisor, agent, `it is a temporary child: ${reason}`));
};

/** The supervisor is over: what is left of it is stopped, by the recovery of one above it where one is under way. */
const retire = (desk: Desk, over: Verdict['over'], supervisor: string, { agent, reason }: Failed): void => {
  const { newId, id: keeper, now, settings, view } = desk.context;
  const wave = wavesOf(view, over);
  const touched = leavesOf(familyOf(view), supervisor).map((leaf) => ({
    ...leaf,
    child: leaf.agent,
    wave: wave(leaf.agent),
    retire: true,
  }));
  const fresh = newPlan({ recoveryId: newId(`end ${supervisor}`), supervisor, keeper, now, timeout: settings.timeout, isQuiet: true });
  const { at, plan: before } = heldPlan(desk) ?? { at: supervisor, plan: fresh };
  const drawn = draw(because(before, reason), touched, agent, startOrderOf(view, before.supervisor), now);
  goOn(desk, at, drawn);
};

/** A supervisor would have to restart more agents than a recovery can. */
export const tooLarge = (desk: Desk, supervisor: string, agents: number, { agent, reason, failure }: Failed): void => {
  const said = `not recovered: supervisor ${supervisor} would restart ${agents} agents, divide them among more supervisors: ${reason}`;
  desk.publish.push(escalated({ agent, level: levelOf(supervisor), supervisor, reason: said, failure }));
};

/** Above the last supervisor are people; an agent that is nobody's child is handed to whoever is named for it. */
export const beyond = (desk: Desk, held: Held | undefined, { over }: Unrecovered, { agent, chain, reason, failure }: Failed): void => {
  const last = over.at(-1)?.supervisor ?? '';
  const { intensity, period } = desk.context.settings.restarts;
  const alone = `not recovered: ${intensity} recoveries within ${period} ms did not help: ${reason}`;
  const said =
    chain.length === 0
      ? ({ level: levelOf(last), supervisor: last, reason: alone } as const)
      : ({ level: 4, supervisor: 'people', reason: tooMany(last, reason) } as const);
  desk.publish.push(escalated({ agent, failure, ...said }));
  if (!held) return;
  endHeld(desk, reason);
  goOnWithout(desk, held, agent);
};

/** The agent was moved in the tree: none of those that gave up is the recovery's supervisor. */
const endHeld = (desk: Desk, reason: string): void => {
  const held = heldPlan(desk);
  if (!held) return;
  const plan = ended(held.plan, 'gave_up', desk.context.now);
  putPlan(desk, held.at, plan);
  desk.publish.push(over(plan, reason));
};

/**
 * A recovery that gave up on an agent: what it stopped, or asked to stop, and did not start again is started without that agent,
 * those last that are below the same child. undefined: nothing is.
 */
const restOf = (plan: Plan, agentId: string, begun: Omit<Begun, 'supervisor'>): Plan | undefined => {
  const child = memberOf(plan, agentId)?.child;
  const members = plan.members.map((member): Member => {
    const isLeft = member.agent !== agentId && (member.todo === 'start' || (member.todo === 'stop' && plan.order?.agent === member.agent));
    return { ...member, todo: isLeft ? member.todo : 'none', since: begun.now, orders: 0, orderedAt: 0 };
  });
  if (members.every(({ todo }) => todo === 'none')) return undefined;
  const [others, siblings] = [members.filter((member) => member.child !== child), members.filter((member) => member.child === child)];
  return { ...newPlan({ ...begun, supervisor: plan.supervisor, isQuiet: true }), reasons: plan.reasons, members: [...others, ...siblings] };
};

/** A recovery that gave up on an agent, `plan` as it was before, leaves none down that it stopped itself. */
export const goOnWithout = (desk: Desk, { at, plan }: Held, agent: string): void => {
  const { newId, id: keeper, now, settings } = desk.context;
  const rest = restOf(plan, agent, { recoveryId: newId(`rest of ${plan.recoveryId}`), keeper, now, timeout: settings.timeout });
  if (rest) goOn(desk, at, rest);
};

/** One of those cannot be started either: the others do not wait for it. */
export const leaveDown = (desk: Desk, { at, plan }: Held, agent: string, reason: string): void => {
  const { supervisor } = plan;
  desk.publish.push(escalated({ agent, level: levelOf(supervisor), supervisor, reason: `not recovered: ${reason}` }));
  const member = memberOf(plan, agent);
  if (member) goOn(desk, at, settled(plan, member));
};
