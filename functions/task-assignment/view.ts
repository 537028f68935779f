/** What the decisions of a batch have to know: who could take its tasks, and what waits for the agents whose slots it frees. */
import type { Alarm } from '#shared/entity/entity.ts';
import { idOf } from '#shared/entity/key.ts';
import type { Reader } from '#shared/entity/reader.ts';
import type { controlTasksCancel } from '#shared/messages/control.ts';
import type { agentError, agentReady, agentStopped } from '#shared/messages/lifecycle.ts';
import type { Received } from '#shared/messages/message.ts';
import type { failure } from '#shared/messages/supervision.ts';
import type { task, taskStatus } from '#shared/messages/task.ts';
import { isHealthy } from '#shared/registry/agent.ts';
import { readFleet } from '#shared/routing/fleet.ts';
import { type Need, needOf } from '#shared/tasks/need.ts';
import { agentOf, taskKind } from '#shared/tasks/task.ts';
import { readQueues } from '#shared/tasks/waiting.ts';
import type { View } from './books.ts';

/** Tasks that an agent takes in one decision: a transaction has room for them and their markers. */
export const TAKEN_AT_ONCE = 40;
/** The queues lag: some at their head are taken already. */
const STALE = 20;

export type TaskEvent = Received<typeof task | typeof taskStatus | typeof controlTasksCancel>;
export type AgentEvent = Received<typeof agentReady | typeof agentStopped | typeof agentError | typeof failure>;

const readView = async (reader: Reader, needs: readonly Need[], freed: readonly string[], batch: number): Promise<View> => {
  const fleet = await readFleet(reader, needs, freed);
  const able = [...new Set(freed)].flatMap((agentId) => fleet.agents.get(agentId) ?? []).filter(isHealthy);
  return { fleet, queues: await readQueues(reader, able, batch + STALE), batch };
};

export const readForTasks = async (events: readonly (TaskEvent | Alarm)[], reader: Reader): Promise<View> => {
  const needs: Need[] = [];
  const freed: string[] = [];
  const unknown: string[] = [];
  for (const event of events) {
    if (event.message === 'task') needs.push(needOf(event.body));
    else if (event.message === 'alarm') unknown.push(idOf(event.key));
    else if (event.message === 'controlTasksCancel') unknown.push(event.body.task_id);
    else if (event.body.status === 'completed') freed.push(event.body.agent_id);
    else if (event.body.status === 'failed' || event.body.status === 'lost') unknown.push(event.body.task_id);
  }
  for (const known of (await reader.load(taskKind, unknown)).values()) {
    if (known.phase === 'ended') continue;
    needs.push(known.need);
    if (known.phase === 'active') freed.push(agentOf(known) as string);
  }
  return readView(reader, needs, freed, events.length);
};

export const readForAgents = (events: readonly (AgentEvent | Alarm)[], reader: Reader): Promise<View> => {
  const ready = events.flatMap((event) => {
    if (event.message === 'alarm') return idOf(event.key);
    return event.message === 'agentReady' ? event.body.agent_id : [];
  });
  return readView(reader, [], ready, TAKEN_AT_ONCE);
};
