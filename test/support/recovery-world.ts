/**
 * A fleet in virtual time for the pure core of recovery-coordinator: agents that obey commands, crash and end, and supervisors'
 * processes that start them, as well as they can. What happened is told in the order in which it happened.
 */
import { recoveries } from '#functions/recovery-coordinator/decide.ts';
import { settings } from '#functions/recovery-coordinator/settings.ts';
import type { LastKnown, View } from '#functions/recovery-coordinator/view.ts';
import { iso } from '#shared/iso.ts';
import { agentReady, agentStopped } from '#shared/messages/lifecycle.ts';
import { recovery } from '#shared/messages/supervision.ts';
import { type SupervisorRestart, supervisorEvent } from '#shared/messages/supervisor.ts';
import type { Agent } from '#shared/registry/agent.ts';
import { type Child, defaultChild, defaultSupervisor, type Supervisor } from '#shared/supervision/supervisor.ts';
import type { Place } from '#shared/supervision/tree.ts';
import { drive, received, START } from './decide.ts';

type ChildSpec = string | (Partial<Child> & { id: string });
/** A child that is a supervisor of the forest is one; the others are agents. */
export type Forest = Record<string, Partial<Omit<Supervisor, 'children'>> & { children: ChildSpec[] }>;

export const supervisorsOf = (forest: Forest): Map<string, Supervisor> =>
  new Map(
    Object.entries(forest).map(([id, { children, ...rest }]) => [
      id,
      {
        ...defaultSupervisor(id),
        ...rest,
        children: children.map((one): Child => {
          const spec = typeof one === 'string' ? { id: one } : one;
          return { ...defaultChild(spec.id), type: Object.hasOwn(forest, spec.id) ? 'supervisor' : 'agent', ...spec };
        }),
      },
    ]),
  );

/** `strangers`: agents that are nobody's child. */
export const viewOf = (forest: Forest, strangers: readonly string[] = []) => {
  const supervisors = supervisorsOf(forest);
  const children = [...supervisors].flatMap(([parent, { children }]) => children.map((child) => ({ parent, child })));
  const agents = new Map<string, Agent>();
  const ids = [...children.flatMap(({ child }) => (child.type === 'agent' ? [child.id] : [])), ...strangers];
  const view: View = {
    where: {
      tree: {
        parents: Object.fromEntries(children.flatMap(({ parent, child }) => (child.type === 'supervisor' ? [[child.id, parent]] : []))),
      },
      places: new Map(children.flatMap(({ parent, child }) => (child.type === 'agent' ? [[child.id, { supervisor: parent }]] : []))),
    },
    supervisors,
    agents,
    known: new Map(ids.map((id) => [id, { tasks: [] }])),
  };
  return { view, ids, agents };
};

/** How a start goes: ready or refused after a moment, or nothing is ever heard of it. */
export type StartResult = 'ready' | 'fails' | 'silent';

type World = {
  forest: Forest;
  strangers?: string[];
  environment?: Record<string, string>;
  startResult?: (agent: string) => StartResult;
  /** ms that a start takes. */
  startTakes?: number;
};

type Later = { at: number; run: () => void };

export const recoveryWorld = ({ forest, strangers = [], environment = {}, startResult = () => 'ready', startTakes = 1 }: World) => {
  const { view, ids, agents } = viewOf(forest, strangers);
  const story = drive(recoveries, settings.parse(environment), view);
  const running = new Set(ids);
  /** `start a1`, `stop a1`, in order. */
  const log: string[] = [];
  let later: Later[] = [];
  let heard = 0;
  let failures = 0;

  const say = (after: number, run: () => void): void => {
    later.push({ at: story.now() + after, run });
  };
  const know = (agent: string, lifecycle: 'active' | 'terminated'): void => {
    agents.set(agent, {
      lifecycle,
      since: story.now(),
      responsive: true,
      profile: { agent_id: agent, capabilities: [], metadata: {} },
    } as unknown as Agent);
  };

  const tell = (event: Parameters<typeof story.tell>[0]): void => {
    story.tell(event);
    obey();
  };
  const ready = (agent: string) => tell(received(agentReady, { agent_id: agent }, { agent_id: agent }, { sentAt: story.now() }));
  const stopped = (agent: string, reason?: string) =>
    tell(received(agentStopped, { agent_id: agent }, { agent_id: agent, ...(reason && { reason }) }, { sentAt: story.now() }));
  const ask = (agent: string, event_id = `e${++failures}`, failedAt = story.now()) =>
    tell(
      received(
        recovery,
        { agent_id: agent },
        {
          agent_id: agent,
          recovery_action: 'restart',
          recovery_plan: { event_id, failure_type: 'process_crash', severity: 'high', failed_at: iso(failedAt) },
        },
        { sentAt: story.now() },
      ),
    );

  const start = (supervisor_id: string, { agent_ids, recovery_id, attempt }: SupervisorRestart): void => {
    const agent = agent_ids[0] as string;
    const result = startResult(agent);
    if (result === 'silent') return;
    say(startTakes, () => {
      if (result === 'ready') {
        log.push(`start ${agent}`);
        running.add(agent);
        know(agent, 'active');
        ready(agent);
        return;
      }
      const body = { supervisor_id, event_type: 'restart_failed', affected_agents: agent_ids, recovery_id, attempt };
      tell(received(supervisorEvent, { supervisor_id }, body, { sentAt: story.now() }));
    });
  };

  const stop = (agent: string): void => {
    if (!running.delete(agent)) return;
    log.push(`stop ${agent}`);
    know(agent, 'terminated');
    say(1, () => stopped(agent));
  };

  /** Agents and processes do what they are told. */
  const obey = (): void => {
    for (; heard < story.published.length; heard++) {
      const { subject, body } = story.published[heard] as { subject: string; body: SupervisorRestart };
      const [first, id = '', , verb] = subject.split('.');
      if (verb === 'restart') start(id, body);
      if (first === 'agent' && verb === 'shutdown') stop(id);
    }
  };

  /** Lets everything happen that happens until then, epoch ms. */
  const until = (time: number): void => {
    for (;;) {
      const alarm = Math.min(...ids.map((id) => story.wakeAt(id) ?? Infinity));
      const next = Math.min(alarm, ...later.map(({ at }) => at));
      if (next > time) break;
      const due = later.filter(({ at }) => at <= next);
      later = later.filter(({ at }) => at > next);
      story.until(next);
      obey();
      for (const { run } of due) run();
    }
    story.until(time);
  };

  return {
    ...story,
    until,
    /** Nothing is heard until then, and alarms are so many ms late. */
    lateUntil: story.until,
    log,
    running,
    ids,
    known: view.known as Map<string, LastKnown>,
    supervisors: view.supervisors as Map<string, Supervisor>,
    /** Whose child an agent is. */
    places: view.where.places as Map<string, Place>,
    ready,
    stopped,
    ask,
    /** It ends and somebody asks for its recovery. */
    crash: (agent: string): void => {
      if (running.delete(agent)) know(agent, 'terminated');
      ask(agent);
    },
    /** It ends by itself, and says so. */
    end: (agent: string, reason?: string): void => {
      running.delete(agent);
      know(agent, 'terminated');
      stopped(agent, reason);
    },
    /** What recovery told the supervisors: `recovered s1`. */
    told: () =>
      story.bodies('supervisor.').flatMap(({ event_type, supervisor_id }) => (event_type ? [`${event_type} ${supervisor_id}`] : [])),
    commands: () => story.published.filter(({ subject }) => subject.includes('.cmd.')).map(({ subject }) => subject),
  };
};

export { START };
