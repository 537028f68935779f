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
import type { Work } from './task.ts';

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
const markerId = (taskId: string, { priority, submittedAt }: Pick<Work, 'priority' | 'submittedAt'>): string =>
  `${RANK[priority]}${submittedAt.toString(36).padStart(TIME_DIGITS, '0')}-${taskId}`;

export const markerKey = (taskId: string, task: Pick<Work, 'priority' | 'submittedAt'>): EntityKey =>
  keyOf(markerKind.kind, markerId(taskId, task));

export type Waiting = { taskId: string; marker: EntityKey /** Sorts by age. */; age: string };

const waitingOf = (id: string): Waiting => ({
  taskId: id.slice(TIME_DIGITS + 2),
  marker: keyOf(markerKind.kind, id),
  age: id.slice(1),
});

const NAMED = 'waiting.named';
const queueFor = (domain: string | undefined, capability: string | undefined): string =>
  `waiting${domain === undefined ? '' : `.domain=${domain}`}${capability === undefined ? '' : `.capability=${capability}`}`;

/**
 * The queue in which a task waits. Those that name a domain wait apart: a flood of one hides nothing of another. A queue an agent
 * would be a query an agent, so all that name their participants share one.
 */
export const queueOf = ({ participants, domain, capabilities: [capability] }: Need): string =>
  participants.length > 0 ? NAMED : queueFor(domain, capability);

const queuesOf = ({ profile: { capabilities, domain } }: Agent): string[] => {
  const of = [undefined, ...new Set(capabilities)];
  const domains = domain === undefined ? [undefined] : [undefined, domain];
  return [NAMED, ...domains.flatMap((place) => of.map((capability) => queueFor(place, capability)))];
};

/** So many of the first of each lower priority are read where there is no end to the higher ones. */
const HEADS = 8;

/** The first of a queue, and of each priority that they do not reach. */
const readQueue = async (reader: Reader, name: string, limit: number): Promise<string[]> => {
  const first = await reader.lookup(markerKind, name, { limit });
  if (first.length < limit) return first;
  const reached = Number(first.at(-1)?.[0]);
  const lower = Object.values(RANK).filter((rank) => rank > reached);
  const heads = await Promise.all(lower.map((rank) => reader.lookup(markerKind, name, { after: String(rank), limit: HEADS })));
  return [...new Set([...first, ...heads.flat()])];
};

/** By agent, what waits in its queues, in order, about `limit` at most: eventually consistent, so the task has to be asked. */
export const readQueues = async (reader: Reader, agents: readonly Agent[], limit: number): Promise<Map<string, Waiting[]>> => {
  const names = [...new Set(agents.flatMap(queuesOf))];
  const queues = new Map(await Promise.all(names.map(async (name) => [name, await readQueue(reader, name, limit)] as const)));
  const byQueues = new Map<string, Waiting[]>();
  const merged = (of: string[]): Waiting[] => {
    const key = of.join(' ');
    const known =
      byQueues.get(key) ??
      of
        .flatMap((name) => queues.get(name) ?? [])
        .sort()
        .map(waitingOf);
    byQueues.set(key, known);
    return known;
  };
  return new Map(agents.map((agent) => [agent.profile.agent_id, merged(queuesOf(agent))]));
};

/** Every eighth task that an agent takes is the oldest of all, so that a low one waits long, but not for ever. */
const OLDEST_EVERY = 8;

/** In which order an agent that took so many tasks looks for the next: by priority, or the oldest first. */
export const inTurn = (queue: readonly Waiting[], taken: number): readonly Waiting[] =>
  taken % OLDEST_EVERY === OLDEST_EVERY - 1 ? queue.toSorted((a, b) => (a.age < b.age ? -1 : 1)) : queue;
