/**
 * What a supervisor does when a child ends, by the rules of Erlang/OTP's `supervisor` (stdlib, `supervisor.erl`): restart types,
 * restart intensity, strategies with their order, significant children and auto-shutdown. A supervisor that gives up or shuts
 * itself down ends with the reason `shutdown`, which is a normal end to its own supervisor. Pure.
 */
import { addRestart } from './restart-intensity.ts';
import { type Child, defaultChild, domainSupervisor, isImplied, ROOT, type Supervisor } from './supervisor.ts';

/** A supervisor by its id, the default of its level where none is defined. */
export type Family = (supervisorId: string) => Supervisor;

/** normal: nobody's fault (OTP's `normal` and `shutdown`). */
export type End = 'normal' | 'abnormal';

/** Whether a child is started again after its end. */
export const isRestarted = (restart: Child['restart'], end: End): boolean => {
  switch (restart) {
    case 'permanent':
      return true;
    case 'transient':
      return end === 'abnormal';
    case 'temporary':
      return false;
    default:
      throw restart satisfies never;
  }
};

/** The child as its supervisor lists it; one that it does not list is permanent. */
export const childOf = (supervisor: Supervisor, childId: string): Child =>
  supervisor.children.find(({ id }) => id === childId) ?? { ...defaultChild(childId), type: isImplied(childId) ? 'supervisor' : 'agent' };

/** The children that the strategy touches when one is restarted, in start order. The temporary ones among them are only stopped. */
export const touchedBy = (supervisor: Supervisor, childId: string): Child[] => {
  const { strategy, children } = supervisor;
  const at = children.findIndex(({ id }) => id === childId);
  if (at === -1) return strategy === 'one_for_all' ? [...children, childOf(supervisor, childId)] : [childOf(supervisor, childId)];
  switch (strategy) {
    case 'one_for_one':
      return children.slice(at, at + 1);
    case 'rest_for_one':
      return children.slice(at);
    case 'one_for_all':
      return children;
    default:
      throw strategy satisfies never;
  }
};

/** An agent of a tree, with its direct supervisor. `shutdown`: how long it may take to stop, ms. */
export type Leaf = { agent: string; owner: string; shutdown: number };

/** The agents of a supervisor, those of its supervisors included, in start order. */
export const leavesOf = (family: Family, supervisorId: string): Leaf[] =>
  family(supervisorId).children.flatMap((child) => leavesOfChild(family, supervisorId, child));

/** The agent itself, or the agents of a child that is a supervisor. */
export const leavesOfChild = (family: Family, supervisorId: string, child: Child): Leaf[] =>
  child.type === 'agent' ? [{ agent: child.id, owner: supervisorId, shutdown: child.shutdown }] : leavesOf(family, child.id);

/** Whether the end of a child, which is not started again, ends its supervisor. `isGone`: of the others. */
const endsSupervisor = ({ autoShutdown, children }: Supervisor, child: Child, isGone: (childId: string) => boolean): boolean => {
  if (!child.significant) return false;
  switch (autoShutdown) {
    case 'never':
      return false;
    case 'any_significant':
      return true;
    case 'all_significant':
      return children.every(({ id, significant }) => !significant || id === child.id || isGone(id));
    default:
      throw autoShutdown satisfies never;
  }
};

export type Ended = {
  family: Family;
  /** The child's supervisor and those above it, the nearest first. */
  chain: readonly string[];
  /** Epoch ms of a supervisor's restarts so far, oldest first. */
  restarts: (supervisorId: string) => readonly number[];
  /** Whether a significant child has ended. */
  isGone: (childId: string) => boolean;
  /** Epoch ms. */
  now: number;
};

/** `over`: the supervisors that ended themselves on the way, the nearest first, and whether their intensity was the reason. */
export type Verdict = { over: { supervisor: string; gaveUp: boolean }[] } & (
  | { outcome: 'restart'; supervisor: string; child: string; restarts: number[] }
  /** Nobody restarts it. */
  | { outcome: 'down' }
  /** The uppermost supervisor is over, too. */
  | { outcome: 'beyond' }
);

/** Who restarts what after the end of a child. */
export const afterEnd = ({ family, chain, restarts, isGone, now }: Ended, childId: string, how: End): Verdict => {
  const over: Verdict['over'] = [];
  let [ended, end] = [childId, how];
  for (const supervisorId of chain) {
    const supervisor = family(supervisorId);
    const child = childOf(supervisor, ended);
    const isKept = isRestarted(child.restart, end);
    if (isKept) {
      const counted = addRestart(restarts(supervisorId), now, supervisor);
      if (counted.allowed) return { outcome: 'restart', supervisor: supervisorId, child: ended, restarts: counted.restarts, over };
    } else if (!endsSupervisor(supervisor, child, isGone)) return { outcome: 'down', over };
    over.push({ supervisor: supervisorId, gaveUp: isKept });
    [ended, end] = [supervisorId, 'normal'];
  }
  return { outcome: 'beyond', over };
};

/** The level of escalation at which a supervisor stands: 1 below its domain, 2 the domain's, 3 root. 4 are people. */
export const levelOf = (supervisorId: string): 1 | 2 | 3 => {
  if (supervisorId === ROOT) return 3;
  return supervisorId.startsWith(domainSupervisor('')) ? 2 : 1;
};
