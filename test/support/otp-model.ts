/**
 * Erlang/OTP's supervisors as their documentation describes them (stdlib `supervisor`), small and slow: a tree of supervisors in
 * one process, in which starting and stopping take no time. What recovery-coordinator does is held against it.
 */
import { addRestart } from '#shared/supervision/restart-intensity.ts';
import type { Child, Supervisor } from '#shared/supervision/supervisor.ts';

type Running = { restarts: number[] /** Temporary children that ended: their specification is gone. */; deleted: Set<string> };

/** `starts`: whether a start succeeds, asked once each. All are running at first. */
export const otpModel = (supervisors: ReadonlyMap<string, Supervisor>, starts: (agent: string) => boolean) => {
  const agents = new Set<string>();
  const alive = new Map<string, Running>();
  let log: string[] = [];
  let over = false;

  const spec = (id: string): Supervisor => supervisors.get(id) as Supervisor;
  const state = (id: string): Running => alive.get(id) as Running;
  const parentOf = (id: string) => [...supervisors].find(([, { children }]) => children.some((child) => child.id === id))?.[0];
  const childrenOf = (id: string): Child[] => spec(id).children.filter((child) => !alive.get(id)?.deleted.has(child.id));
  const runs = (child: Child): boolean => (child.type === 'agent' ? agents.has(child.id) : alive.has(child.id));

  const terminate = (child: Child): void => {
    if (!runs(child)) return;
    if (child.type === 'agent') {
      agents.delete(child.id);
      log.push(`stop ${child.id}`);
    } else terminateSupervisor(child.id);
  };

  const terminateSupervisor = (id: string): void => {
    for (const child of childrenOf(id).reverse()) terminate(child);
    alive.delete(id);
  };

  const start = (child: Child): boolean => {
    if (child.type === 'agent') {
      if (!starts(child.id)) return false;
      agents.add(child.id);
      log.push(`start ${child.id}`);
      return true;
    }
    alive.set(child.id, { restarts: [], deleted: new Set() });
    for (const one of childrenOf(child.id)) {
      if (start(one)) continue;
      terminateSupervisor(child.id);
      return false;
    }
    return true;
  };

  const touched = (id: string, child: Child): Child[] => {
    const children = childrenOf(id);
    switch (spec(id).strategy) {
      case 'one_for_one':
        return [child];
      case 'rest_for_one':
        return children.slice(children.indexOf(child));
      case 'one_for_all':
        return children;
    }
  };

  const restart = (id: string, child: Child, now: number): void => {
    const { allowed, restarts } = addRestart(state(id).restarts, now, spec(id));
    state(id).restarts = restarts;
    if (!allowed) {
      shutdown(id, now);
      return;
    }
    const affected = touched(id, child);
    for (const one of [...affected].reverse()) {
      terminate(one);
      if (one.restart === 'temporary') state(id).deleted.add(one.id);
    }
    const failed = affected.filter((one) => one.restart !== 'temporary').find((one) => !start(one));
    if (failed) restart(id, failed, now);
  };

  /** It ends itself, which is a normal end to its own supervisor. */
  const shutdown = (id: string, now: number): void => {
    const parent = parentOf(id);
    if (parent === undefined) {
      // There is nothing above: recovery leaves what runs running, and calls people.
      over = true;
      return;
    }
    terminateSupervisor(id);
    ended(parent, id, 'normal', now);
  };

  const ended = (id: string, childId: string, how: 'normal' | 'abnormal', now: number): void => {
    const child = spec(id).children.find((one) => one.id === childId) as Child;
    if (child.restart === 'permanent' || (child.restart === 'transient' && how === 'abnormal')) {
      restart(id, child, now);
      return;
    }
    if (child.restart === 'temporary') state(id).deleted.add(childId);
    const { autoShutdown, children } = spec(id);
    if (!child.significant || autoShutdown === 'never') return;
    if (autoShutdown === 'any_significant' || !children.some((one) => one.significant && runs(one))) shutdown(id, now);
  };

  for (const [id, { children }] of supervisors) {
    alive.set(id, { restarts: [], deleted: new Set() });
    for (const child of children) if (child.type === 'agent') agents.add(child.id);
  }

  return {
    running: agents,
    isOver: () => over,
    /** Answers what was stopped and started, in order. */
    exit: (agent: string, how: 'normal' | 'abnormal', now: number): string[] => {
      log = [];
      agents.delete(agent);
      ended(parentOf(agent) as string, agent, how, now);
      return log;
    },
  };
};
