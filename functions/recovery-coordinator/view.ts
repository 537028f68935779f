/** What recovery has to know of others: the tree, the agents, and what an agent had that is about to be started. */
import type { Alarm, Context } from '#shared/entity/entity.ts';
import { type EntityKey, idOf } from '#shared/entity/key.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { iso } from '#shared/iso.ts';
import { agentReady, agentStopped } from '#shared/messages/lifecycle.ts';
import type { Received } from '#shared/messages/message.ts';
import { recovery } from '#shared/messages/supervision.ts';
import { supervisorEvent } from '#shared/messages/supervisor.ts';
import { type Agent, agentKind } from '#shared/registry/agent.ts';
import { readSnapshot } from '#shared/registry/snapshot.ts';
import { type Family, leavesOf } from '#shared/supervision/strategy.ts';
import { defaultSupervisor, ROOT, type Supervisor, supervisorKind } from '#shared/supervision/supervisor.ts';
import { chainOf, type Places, readPlaces, supervisorOf } from '#shared/supervision/tree.ts';
import { slotsIdOf } from '#shared/tasks/roster.ts';
import { NO_TASKS, slotsKind } from '#shared/tasks/slots.ts';
import { isUnderWay, upcoming } from './plan.ts';
import { groupKey, type Recovery, recoveryKind, restartsKind } from './recovery.ts';
import type { Settings } from './settings.ts';

export const messages = [recovery, agentReady, agentStopped, supervisorEvent] as const;

export type Event = Received<(typeof messages)[number]>;

/** What an agent had, for whoever starts it. */
export type LastKnown = { tasks: { task_id: string; attempt: number; assigned_at: string }[]; snapshot?: unknown };

export type View = {
  where: Places;
  supervisors: ReadonlyMap<string, Supervisor>;
  agents: ReadonlyMap<string, Agent>;
  /** Of agents whose turn may come. */
  known: ReadonlyMap<string, LastKnown>;
};

export type Ctx = Context<Settings, View>;

/** An event of a supervisor is about the first agent that it names. */
export const agentOf = (event: Event): string =>
  event.message === 'supervisorEvent' ? (event.body.affected_agents?.[0] ?? event.body.supervisor_id) : event.body.agent_id;

const idOfEvent = (event: Event | Alarm): string => (event.message === 'alarm' ? idOf(event.key) : agentOf(event));

/** The supervisors of an agent, the nearest first; none: it is nobody's child. */
export const chainOfAgent = ({ where }: View, agentId: string): string[] => {
  const place = supervisorOf(where, agentId);
  return place === undefined ? [] : chainOf(where.tree, place);
};

/** The supervisors whose plans an agent may have to do with. */
export const chainsOf = (view: View, agentId: string, { keeps }: Pick<Recovery, 'keeps'>): string[] => [
  ...new Set([...chainOfAgent(view, agentId), ...(keeps === null ? [] : chainOf(view.where.tree, keeps))]),
];

export const alsoKeys = (state: Recovery | undefined, event: Event | Alarm, view: View): EntityKey[] =>
  chainsOf(view, idOfEvent(event), { keeps: state?.keeps ?? null }).map(groupKey);

export const familyOf =
  ({ supervisors }: Pick<View, 'supervisors'>): Family =>
  (supervisorId) => {
    const supervisor = supervisors.get(supervisorId);
    return supervisor && supervisor.removedAt === undefined ? supervisor : defaultSupervisor(supervisorId);
  };

/** All agents of a supervisor, in start order. */
export const startOrderOf = (view: View, supervisorId: string): string[] =>
  leavesOf(familyOf(view), supervisorId).map(({ agent }) => agent);

/** A supervisor that is over stops its agents before the one above it does: in which wave an agent is stopped. */
export const wavesOf = (view: View, over: readonly { supervisor: string }[]): ((agentId: string) => number) => {
  const waves = over.map(({ supervisor }) => new Set(startOrderOf(view, supervisor)));
  return (agentId) => {
    const wave = waves.findIndex((agents) => agents.has(agentId));
    return wave === -1 ? waves.length : wave;
  };
};

/** A snapshot is the registry's: who is not in there has none. */
const readLastKnown = async (reader: Reader, agentIds: string[], agents: View['agents']): Promise<Map<string, LastKnown>> => {
  const [slots, snapshots] = await Promise.all([
    reader.load(slotsKind, agentIds.map(slotsIdOf)),
    Promise.all(agentIds.map((id) => (agents.has(id) ? readSnapshot(reader, id) : undefined))),
  ]);
  return new Map(
    agentIds.map((id, n) => {
      const { active } = slots.get(slotsIdOf(id)) ?? NO_TASKS;
      const tasks = Object.entries(active).map(([task_id, { attempt, at }]) => ({ task_id, attempt, assigned_at: iso(at) }));
      return [id, { tasks, ...(snapshots[n] && { snapshot: snapshots[n].snapshot }) }];
    }),
  );
};

/** Of the nearest supervisor of an agent: the other children whose end may end it, too. */
const significantOf = (supervisor: Supervisor | undefined): string[] =>
  supervisor?.autoShutdown === 'all_significant' ? supervisor.children.filter(({ significant }) => significant).map(({ id }) => id) : [];

/** Each step waits for the one before, so what can be asked together is: the first command waits for all of them. */
export const readView = async (events: readonly (Event | Alarm)[], reader: Reader): Promise<View> => {
  const ids = [...new Set(events.map(idOfEvent))];
  // Most agents that are ready are part of no recovery, and those that are end nothing that a strategy is asked for.
  const areReady = events.every(({ message }) => message === 'agentReady');
  const [where, own, registered] = await Promise.all([
    readPlaces(reader, ids),
    reader.load(recoveryKind, ids),
    reader.load(agentKind, areReady ? [] : ids),
  ]);
  const bare: View = { where, supervisors: new Map(), agents: registered, known: new Map() };
  const chains = new Set(ids.flatMap((id) => chainsOf(bare, id, own.get(id) ?? { keeps: null })));
  const { parents } = where.tree;
  const tree = areReady || chains.size === 0 ? [] : [...new Set([ROOT, ...chains, ...Object.keys(parents), ...Object.values(parents)])];
  const turns = [...new Set(events.filter((event) => isTurn(event, own.get(idOfEvent(event)))).map(idOfEvent))];
  const [groups, supervisors, known] = await Promise.all([
    reader.load(restartsKind, [...chains]),
    reader.load(supervisorKind, tree),
    readLastKnown(reader, turns, registered),
  ]);
  const next = [...groups.values()].flatMap(({ plan }) => (isUnderWay(plan) ? upcoming(plan) : [])).filter((id) => !known.has(id));
  const others = [...next, ...[...chains].flatMap((id) => significantOf(supervisors.get(id)))].filter((id) => !registered.has(id));
  const agents = new Map([...registered, ...(await reader.load(agentKind, others))]);
  return { where, supervisors, agents, known: new Map([...known, ...(await readLastKnown(reader, next, agents))]) };
};

/** Whether the agent's own start may be ordered now. */
const isTurn = (event: Event | Alarm, own: Recovery | undefined): boolean =>
  event.message === 'recovery' || (event.message === 'alarm' && isUnderWay(own?.plan) && own.plan.order === null);
