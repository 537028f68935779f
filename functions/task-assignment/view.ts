/** What the decisions of a batch have to know: who could take its tasks, and what waits for the agents whose slots it frees. */
import type { Alarm } from '#shared/entity/entity.ts';
import { idOf } from '#shared/entity/key.ts';
import type { Reader } from '#shared/entity/reader.ts';
import type { circuitClosed, circuitHalfOpen } from '#shared/messages/circuit.ts';
import type { controlTasksCancel } from '#shared/messages/control.ts';
import type { agentError, agentReady, agentResumed, agentStopped } from '#shared/messages/lifecycle.ts';
import type { Received } from '#shared/messages/message.ts';
import type { Policy } from '#shared/messages/routing-policy.ts';
import type { failure } from '#shared/messages/supervision.ts';
import type { task, taskStatus, taskUnblocked } from '#shared/messages/task.ts';
import { readLoads } from '#shared/metrics/load.ts';
import { isHealthy } from '#shared/registry/agent.ts';
import { readFleet, roomIn } from '#shared/routing/fleet.ts';
import { asksFigures, DEFAULT_POLICY, policyFor, ROUTING, routingKind, TASKS } from '#shared/routing/policies.ts';
import { bulkheadKey } from '#shared/tasks/bulkhead.ts';
import { type Need, needOf, policyOf } from '#shared/tasks/need.ts';
import { agentOfSlots } from '#shared/tasks/roster.ts';
import { slotsKey } from '#shared/tasks/slots.ts';
import { agentOf, isOpen, type OpenTask, taskKey, taskKind } from '#shared/tasks/task.ts';
import { markerKey, readQueues } from '#shared/tasks/waiting.ts';
import type { View } from './books.ts';

/** Tasks that an agent takes in one decision: a transaction has room for them and their markers. */
export const TAKEN_AT_ONCE = 40;
/** The queues lag: some at their head are taken already. */
const STALE = 20;

export type TaskEvent = Received<typeof task | typeof taskUnblocked | typeof controlTasksCancel>;
type Lifecycle = typeof agentReady | typeof agentResumed | typeof agentStopped | typeof agentError;
export type AgentEvent = Received<Lifecycle | typeof circuitClosed | typeof circuitHalfOpen | typeof failure | typeof taskStatus>;

/** `asks`: one for each task that may be given to somebody; `freed`: agents that may take what waits. */
type Asked = {
  asks: { need: Need; policy?: Policy | undefined }[];
  freed: string[];
  tasks: ReadonlyMap<string, OpenTask>;
  pulls: number;
  seed: string;
};

const readPolicy = async (reader: Reader, isAsked: boolean): Promise<Policy> => {
  const routing = await reader.load(routingKind, isAsked ? [ROUTING] : []);
  return policyFor(routing.get(ROUTING), TASKS)?.policy ?? DEFAULT_POLICY;
};

const readView = async (reader: Reader, { asks, freed, tasks, pulls, seed }: Asked): Promise<View> => {
  const reading = readPolicy(reader, asks.length + freed.length > 0);
  const usual = asks.length > 0 ? await reading : DEFAULT_POLICY;
  const wanting = asks.map(({ need, policy = usual }) => ({ need, policy }));
  const [policy, fleet] = await Promise.all([reading, readFleet(reader, wanting, freed, { wanted: asks.length, seed })]);
  const ableToPull = [...new Set(freed)].flatMap((agentId) => fleet.agents.get(agentId) ?? []).filter(isHealthy);
  const able = [...new Set([...fleet.able.values()].flat().concat(freed))];
  const [queues, loads] = await Promise.all([
    readQueues(reader, ableToPull, pulls + STALE),
    wanting.some(({ policy }) => asksFigures(policy)) ? readLoads(reader, able) : new Map(),
  ]);
  const queued = new Set([...queues.values()].flat());
  const domains = [...asks.map(({ need }) => need.domain), ...ableToPull.map(({ profile }) => profile.domain)];
  return {
    fleet,
    queues,
    loads,
    policy,
    crowded: [...fleet.able.values()].some((ids) => roomIn(fleet, ids) < asks.length),
    shared: [
      ...able.map(slotsKey),
      ...[...queued].flatMap(({ taskId, marker }) => [taskKey(taskId), marker]),
      ...[...tasks].flatMap(([id, task]) => [taskKey(id), markerKey(id, task)]),
      ...new Set(domains.flatMap((domain) => (domain === undefined ? [] : [bulkheadKey(domain)]))),
    ],
  };
};

const openTasks = async (reader: Reader, ids: readonly string[]): Promise<Map<string, OpenTask>> => {
  const known = ids.length === 0 ? [] : [...(await reader.load(taskKind, ids))];
  return new Map(known.flatMap(([id, task]) => (isOpen(task) ? [[id, task]] : [])));
};

const activeAgents = (tasks: ReadonlyMap<string, OpenTask>): string[] =>
  [...tasks.values()].flatMap((task) => (task.phase === 'active' ? (agentOf(task) ?? []) : []));

export const readForTasks = async (events: readonly (TaskEvent | Alarm)[], reader: Reader): Promise<View> => {
  const asks: Asked['asks'] = [];
  const others: string[] = [];
  for (const event of events)
    if (event.message === 'task') asks.push({ need: needOf(event.body), policy: policyOf(event.body.requirements?.policy) });
    else others.push(event.message === 'alarm' ? idOf(event.key) : event.body.task_id);
  const tasks = await openTasks(reader, others);
  asks.push(...tasks.values());
  return readView(reader, { asks, freed: activeAgents(tasks), tasks, pulls: events.length, seed: seedOf(events) });
};

export const readForAgents = async (events: readonly (AgentEvent | Alarm)[], reader: Reader): Promise<View> => {
  const freed: string[] = [];
  const givenUp: string[] = [];
  for (const event of events)
    switch (event.message) {
      case 'alarm':
        freed.push(agentOfSlots(idOf(event.key)));
        break;
      case 'circuitClosed':
      case 'circuitHalfOpen':
        freed.push(event.body.service);
        break;
      case 'agentReady':
      case 'agentResumed':
      case 'agentStopped':
        freed.push(event.body.agent_id);
        break;
      case 'taskStatus':
        if (event.body.status === 'completed' || event.body.status === 'failed') freed.push(event.body.agent_id);
        if (event.body.status !== 'completed' && event.body.status !== 'accepted' && event.body.status !== 'progress')
          givenUp.push(event.body.task_id);
        break;
      case 'agentError':
      case 'failure':
        break;
      default:
        throw event satisfies never;
    }
  const tasks = await openTasks(reader, givenUp);
  const pulls = Math.max(events.length, freed.length > 0 ? TAKEN_AT_ONCE : 0);
  return readView(reader, { asks: [...tasks.values()], freed, tasks, pulls, seed: seedOf(events) });
};

/** Another one for another batch. */
const seedOf = (events: readonly (TaskEvent | AgentEvent | Alarm)[]): string => {
  const [first] = events;
  if (!first) return '';
  return first.message === 'alarm' ? `${first.key} ${first.due}` : `${first.subject} ${first.sentAt}`;
};
