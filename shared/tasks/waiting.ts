/**
 * The queue of the tasks that wait for an agent. A waiting task has a marker, an entity whose id begins with its rank; the
 * markers of a queue have the same lookup value, and the table lists them in the order of their ids. A task with
 * capabilities waits in the queue of the first; whoever takes it looks whether it has the others. What is too far behind in a
 * queue to be seen is not lost: a waiting task looks for an agent by itself, too. Pure but for its reader.
 */
import * as z from 'zod';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';
import type { Reader } from '#shared/entity/reader.ts';
import type { Priority } from '#shared/messages/fields.ts';
import type { Agent } from '#shared/registry/agent.ts';
import type { Need } from './need.ts';
import type { Task } from './task.ts';

const KEEP_MS = 24 * 3_600_000;

const markerSchema = z.object({
  /** null: the task does not wait any more. */
  queue: z.string().nullable(),
  /** Epoch ms. */
  at: z.number(),
});

export type Marker = z.infer<typeof markerSchema>;

export const markerKind: Kind<Marker> = {
  kind: 'waiting',
  schema: markerSchema,
  version: 1,
  expiresAt: ({ queue, at }) => (queue === null ? at + KEEP_MS : undefined),
  lookup: ({ queue }) => queue ?? undefined,
};

const RANK: Record<Priority, number> = { critical: 0, high: 1, normal: 2, low: 3 };
/** Digits of a time in base 36: enough until the year 5188. */
const TIME_DIGITS = 9;

/** Sorts by priority, then by age. */
const markerId = (taskId: string, { priority, submittedAt }: Pick<Task, 'priority' | 'submittedAt'>): string =>
  `${RANK[priority]}${submittedAt.toString(36).padStart(TIME_DIGITS, '0')}-${taskId}`;

export const markerKey = (taskId: string, task: Pick<Task, 'priority' | 'submittedAt'>): EntityKey =>
  keyOf(markerKind.kind, markerId(taskId, task));

export type Waiting = { taskId: string; marker: EntityKey };

const waitingOf = (id: string): Waiting => ({ taskId: id.slice(TIME_DIGITS + 2), marker: keyOf(markerKind.kind, id) });

const ANYBODY = 'waiting';
const NAMED = 'waiting.named';
const forCapability = (capability: string): string => `waiting.capability=${capability}`;

/** The queue in which a task waits. A queue an agent would be a query an agent, so all that name their participants share one. */
export const queueOf = ({ participants, capabilities: [capability] }: Need): string => {
  if (participants.length > 0) return NAMED;
  return capability === undefined ? ANYBODY : forCapability(capability);
};

const queuesOf = ({ profile }: Agent): string[] => [ANYBODY, NAMED, ...new Set(profile.capabilities.map(forCapability))];

/** By agent, what waits in its queues, in order, `limit` at most: eventually consistent, so the task has to be asked. */
export const readQueues = async (reader: Reader, agents: readonly Agent[], limit: number): Promise<Map<string, Waiting[]>> => {
  const names = [...new Set(agents.flatMap(queuesOf))];
  const queues = new Map(await Promise.all(names.map(async (name) => [name, await reader.lookup(markerKind, name, { limit })] as const)));
  return new Map(
    agents.map((agent) => {
      const ids = queuesOf(agent).flatMap((name) => queues.get(name) ?? []);
      return [agent.profile.agent_id, ids.sort().slice(0, limit).map(waitingOf)];
    }),
  );
};
