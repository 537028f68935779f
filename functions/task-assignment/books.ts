/**
 * What a decision changes: tasks, the slots of their agents, markers in queues, bulkheads, and what is said of them. The books
 * grow while it is decided, and what was changed before is seen by what comes after. They keep together what belongs together: a
 * task that no longer waits has no marker, and its bulkhead counts it as what it is. Pure.
 */
import type { Context, Done, Output } from '#shared/entity/entity.ts';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';
import type { Policy } from '#shared/messages/routing-policy.ts';
import type { Figures } from '#shared/metrics/figures.ts';
import type { Fleet } from '#shared/routing/fleet.ts';
import { bulkheadKey, bulkheadKind } from '#shared/tasks/bulkhead.ts';
import { slotsIdOf } from '#shared/tasks/roster.ts';
import { NO_TASKS, type Slots, slotsKey, slotsKind } from '#shared/tasks/slots.ts';
import { isOpen, type Task, taskKey, taskKind } from '#shared/tasks/task.ts';
import { type Marker, markerKey, queueOf, type Waiting } from '#shared/tasks/waiting.ts';
import { limitOf, type Settings } from './settings.ts';

export type View = {
  fleet: Fleet;
  /** By agent that may have room: what waits for it, in order. */
  queues: ReadonlyMap<string, readonly Waiting[]>;
  /** How agents do at the moment, where a policy asks for it. */
  loads: ReadonlyMap<string, Figures>;
  /** Of tasks that name none. */
  policy: Policy;
  /** Whether the agents may have less room than the batch wants. */
  crowded: boolean;
  /** Entities that any decision of the batch may touch. */
  shared: EntityKey[];
};

export type Ctx = Context<Settings, View>;

export type Books = { context: Ctx; changed: Map<EntityKey, unknown>; publish: Output[] };

export const openBooks = (context: Ctx): Books => ({ context, changed: new Map(), publish: [] });

/** The books as a decision about the entity `own`. */
export const closeBooks = <State>({ changed, publish }: Books, own: EntityKey): Done<State> => {
  const { [own]: state, ...also } = Object.fromEntries(changed);
  return { outcome: 'done', ...(state !== undefined && { state: state as State }), also, publish };
};

const read = <State>({ changed, context }: Books, kind: Kind<State>, id: string): State | undefined => {
  const key = keyOf(kind.kind, id);
  return changed.has(key) ? (changed.get(key) as State) : context.also(kind, id);
};

export const slotsIn = (books: Books, agentId: string): Slots => read(books, slotsKind, slotsIdOf(agentId)) ?? NO_TASKS;

export const setSlots = (books: Books, agentId: string, slots: Slots): void => void books.changed.set(slotsKey(agentId), slots);

export const taskIn = (books: Books, taskId: string): Task | undefined => read(books, taskKind, taskId);

/** A task as it is from now on, with its marker and its place in a bulkhead. */
export const setTask = (books: Books, taskId: string, after: Task): void => {
  const before = taskIn(books, taskId);
  const { now } = books.context;
  const [was, is] = [markerOf(taskId, before), markerOf(taskId, after)];
  if (was && was !== is) books.changed.set(was, { queue: null, at: now } satisfies Marker);
  if (is && is !== was && after.phase === 'waiting') books.changed.set(is, { queue: queueOf(after.need), at: now } satisfies Marker);
  recount(books, before, after);
  books.changed.set(taskKey(taskId), after);
};

const markerOf = (taskId: string, task: Task | undefined): EntityKey | undefined =>
  task?.phase === 'waiting' && task.queued ? markerKey(taskId, task) : undefined;

type Counted = 'active' | 'waiting';

const countedAs = (task: Task | undefined): Counted | undefined => {
  if (!isOpen(task)) return undefined;
  return task.phase === 'active' ? 'active' : 'waiting';
};

export const bulkheadIn = (books: Books, domain: string) => read(books, bulkheadKind, domain) ?? { active: 0, waiting: 0, at: 0 };

const recount = (books: Books, before: Task | undefined, after: Task): void => {
  const domain = isOpen(after) ? after.need.domain : isOpen(before) ? before.need.domain : undefined;
  const [was, is] = [countedAs(before), countedAs(after)];
  if (domain === undefined || was === is || !limitOf(books.context.settings, domain)) return;
  const counts = { ...bulkheadIn(books, domain), at: books.context.now };
  // A limit that was set while it was under way has not counted it.
  if (was) counts[was] = Math.max(0, counts[was] - 1);
  if (is) counts[is]++;
  books.changed.set(bulkheadKey(domain), counts);
};
