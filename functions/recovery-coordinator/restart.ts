/**
 * An agent ended, or could not be started: OTP's rules say which supervisor restarts what, and it becomes a plan of that
 * supervisor, part of the one that is under way, or an escalation. Pure.
 */
import { addRestart } from '#shared/supervision/restart-intensity.ts';
import { afterEnd, leavesOfChild, touchedBy, type Verdict } from '#shared/supervision/strategy.ts';
import { defaultChild } from '#shared/supervision/supervisor.ts';
import { chainOf, namedSupervisor } from '#shared/supervision/tree.ts';
import { advanceTold } from './advance.ts';
import { backoffMs } from './backoff.ts';
import { countRestart, type Desk, type Failed, groupOf, type Held, heldPlan, joinablePlan, putPlan, restartedAt } from './desk.ts';
import { over, supervisorOver } from './outputs.ts';
import { because, draw, ended, isUnderWay, memberOf, newPlan, type Plan, type Touched } from './plan.ts';
import { beyond, stayDown, tooLarge } from './unrecovered.ts';
import { familyOf, startOrderOf, wavesOf } from './view.ts';

/** Of one recovery. One after the other, more are not restarted in time. */
const MOST_AGENTS = 1000;
/** Restarts of an agent that its backoff remembers. */
const REMEMBERED_RESTARTS = 20;

export const endOfAgent = (desk: Desk, failed: Failed): void => {
  const { context } = desk;
  const held = heldPlan(desk);
  const recent = desk.own.restarts.filter((at) => at >= context.now - context.settings.restarts.period).length;
  const verdict = judge(desk, failed);
  tellWhoIsOver(desk, held, verdict, failed);
  switch (verdict.outcome) {
    case 'restart':
      restart(desk, held, verdict, failed, recent);
      break;
    case 'down':
      stayDown(desk, held, verdict, failed);
      break;
    case 'beyond':
      beyond(desk, held, verdict, failed);
      break;
    default:
      throw verdict satisfies never;
  }
};

/** Whom to ask for an agent that is nobody's child. */
const named = ({ own, context: { view, id } }: Desk): string =>
  isUnderWay(own.plan) ? own.plan.supervisor : namedSupervisor(view.agents.get(id)?.profile);

const judge = (desk: Desk, { agent, child, chain, how }: Failed): Verdict => {
  const { own, context } = desk;
  const { now, settings, view } = context;
  const isAlone = chain.length === 0;
  const limit = isAlone ? settings.restarts : { intensity: REMEMBERED_RESTARTS, period: settings.restarts.period };
  const counted = addRestart(own.restarts, now, limit);
  if (agent === context.id) desk.own = { ...own, restarts: counted.restarts };
  if (isAlone) {
    const supervisor = named(desk);
    if (!counted.allowed) return { outcome: 'beyond', over: [{ supervisor, gaveUp: true }] };
    return { outcome: 'restart', supervisor, child: agent, restarts: [], over: [] };
  }
  const isGone = (id: string): boolean => view.agents.get(id)?.lifecycle === 'terminated';
  return afterEnd({ family: familyOf(view), chain, restarts: (id) => restartsOf(desk, id), isGone, now }, child, how);
};

/** A supervisor that was restarted by one above it counts from the beginning. */
const restartsOf = (desk: Desk, supervisorId: string): number[] => {
  const above = desk.chain.slice(desk.chain.indexOf(supervisorId) + 1);
  const since = Math.max(-Infinity, ...above.map((id) => restartedAt(desk, id)));
  return groupOf(desk, supervisorId).restarts.filter((at) => at > since);
};

const tellWhoIsOver = (desk: Desk, held: Held | undefined, verdict: Verdict, { agent, reason }: Failed): void => {
  const { context } = desk;
  for (const { supervisor, gaveUp } of verdict.over) {
    const why = gaveUp ? `too many restarts: ${reason}` : reason;
    const theirs = held?.plan.supervisor === supervisor ? held : { at: supervisor, plan: groupOf(desk, supervisor).plan };
    // Where nobody takes over, a recovery of others goes on.
    if (isUnderWay(theirs.plan) && (theirs === held || verdict.outcome !== 'beyond')) {
      const plan = ended(theirs.plan, 'gave_up', context.now);
      putPlan(desk, theirs.at, plan);
      desk.publish.push(over(plan, why));
    } else desk.publish.push(supervisorOver(supervisor, agent, gaveUp, why, context));
  }
};

type Restart = Extract<Verdict, { outcome: 'restart' }>;

const restart = (desk: Desk, held: Held | undefined, verdict: Restart, failed: Failed, recent: number): void => {
  const { agent, chain, reason } = failed;
  const { context } = desk;
  const { supervisor } = verdict;
  if (chain.length > 0) countRestart(desk, supervisor, verdict.restarts, touchedSupervisors(desk, verdict));
  const touched = touchedAgents(desk, verdict, agent);
  if (touched.length > MOST_AGENTS) {
    tooLarge(desk, supervisor, touched.length, failed);
    return;
  }
  const host = hostOf(desk, held, supervisor, touched.length > 1 || desk.chain.indexOf(supervisor) > 0);
  const { plan: before, at } = host;
  const again = before !== undefined && memberOf(before, agent) !== undefined;
  const failures = (before?.failures ?? 0) + (again ? 1 : 0);
  const fresh = newPlan({
    recoveryId: context.newId('recovery'),
    supervisor,
    keeper: context.id,
    now: context.now,
    timeout: context.settings.timeout,
  });
  const drawn = draw(
    because(before ?? fresh, reason),
    touched,
    agent,
    startOrderOf(context.view, host.plan?.supervisor ?? supervisor),
    context.now,
  );
  const delay = backoffMs(Math.max(agent === context.id ? recent : 0, failures), context);
  const { plan, publish } = advanceTold(
    before,
    { ...drawn, isQuiet: false, failures, notBefore: Math.max(drawn.notBefore, context.now + delay) },
    context,
  );
  putPlan(desk, at, plan);
  desk.publish.push(...publish);
};

/** Whose plan it becomes: the one that the agent is part of, one of the supervisor that is under way, or a new one. */
const hostOf = (desk: Desk, held: Held | undefined, supervisor: string, isCommon: boolean): { at: string | null; plan?: Plan } => {
  const rank = (id: string) => desk.chain.indexOf(id);
  const goesOn = held && isUnderWay(held.plan) && rank(held.plan.supervisor) >= rank(supervisor);
  if (goesOn && (held.at !== null || !isCommon)) return held;
  if (!isCommon) return { at: null };
  const plan = joinablePlan(desk, supervisor) ?? (goesOn ? held.plan : undefined);
  return { at: supervisor, ...(plan && { plan }) };
};

/** The agents that the strategy touches, in start order, the one that ended among them. Those of a supervisor that is over stop first. */
const touchedAgents = (desk: Desk, { supervisor, child, over }: Restart, agent: string): Touched[] => {
  const { view } = desk.context;
  const { shutdown } = defaultChild(agent);
  const [owner] = desk.chain;
  // Nobody's child: whatever its named supervisor is, it is restarted alone.
  if (owner === undefined) return [{ agent, owner: supervisor, child, shutdown, wave: 0, retire: false }];
  const family = familyOf(view);
  const wave = wavesOf(view, over);
  const touched = touchedBy(family(supervisor), child).flatMap((one) =>
    // Whatever is said of it: what is not the agent is a supervisor.
    leavesOfChild(family, supervisor, one.id === child && child !== agent ? { ...one, type: 'supervisor' } : one).map((leaf) => ({
      ...leaf,
      child: one.id,
      wave: wave(leaf.agent),
      retire: one.restart === 'temporary',
    })),
  );
  if (touched.some((one) => one.agent === agent)) return touched;
  return [...touched, { agent, owner, child, shutdown, wave: 0, retire: false }];
};

const touchedSupervisors = (desk: Desk, { supervisor, child, over }: Restart): string[] => {
  const touched = touchedBy(familyOf(desk.context.view)(supervisor), child);
  const below = over.at(-1)?.supervisor;
  return [...touched.flatMap(({ id, type }) => (type === 'supervisor' ? [id] : [])), ...(below === undefined ? [] : [below])];
};

/** What a plan's supervisor sees fail when one of its agents cannot be started. */
export const failedStart = (desk: Desk, { at, plan }: Held, agent: string): Pick<Failed, 'agent' | 'child' | 'chain'> => {
  const rank = desk.chain.indexOf(plan.supervisor);
  // The agent, or whose alarm it is, was moved in the tree meanwhile.
  if (rank === -1 && at === null) return { agent, child: agent, chain: desk.chain };
  const chain = rank === -1 ? chainOf(desk.context.view.where.tree, plan.supervisor) : desk.chain.slice(rank);
  return { agent, child: memberOf(plan, agent)?.child ?? agent, chain };
};
