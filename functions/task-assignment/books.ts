/**
 * What a decision changes besides its own entity: slots, waiting tasks and their markers, and what is said of them. The
 * books grow while it is decided; what was changed before is seen by what comes after. Pure.
 */
import type { Context, Output } from '#shared/entity/entity.ts';
import type { EntityKey } from '#shared/entity/key.ts';
import { output } from '#shared/messages/message.ts';
import { taskAssignment } from '#shared/messages/task.ts';
import { type Candidate, choose, fits, roomOf } from '#shared/routing/choose.ts';
import type { Fleet } from '#shared/routing/fleet.ts';
import { type Need, needKey } from '#shared/tasks/need.ts';
import { NO_TASKS, release, type Slots, slotsKey, slotsKind, take } from '#shared/tasks/slots.ts';
import { type ActiveTask, taskKey, taskKind, type Work, workOf } from '#shared/tasks/task.ts';
import { type Marker, markerKey, queueOf, type Waiting } from '#shared/tasks/waiting.ts';
import type { Settings } from './settings.ts';

export type View = {
  fleet: Fleet;
  /** By agent that may have room: what waits for it, in order. */
  queues: ReadonlyMap<string, readonly Waiting[]>;
  /** Records in the batch. */
  batch: number;
};

export type Ctx = Context<Settings, View>;

export type Books = { slots: Map<string, Slots>; also: Record<EntityKey, unknown>; publish: Output[] };

/** `slots`: those that are the decision's own entity. */
export const openBooks = (slots: Iterable<[string, Slots]> = []): Books => ({ slots: new Map(slots), also: {}, publish: [] });

/** What was changed, as a decision carries it. `own`: the agent whose slots are the decision's own entity. */
export const closeBooks = ({ slots, also, publish }: Books, own?: string) => {
  const others = [...slots].filter(([agentId]) => agentId !== own).map(([agentId, of]) => [slotsKey(agentId), of] as const);
  return { also: { ...also, ...Object.fromEntries(others) }, publish };
};

const slotsOf = (agentId: string, books: Books, { also }: Ctx): Slots => books.slots.get(agentId) ?? also(slotsKind, agentId) ?? NO_TASKS;

/** Each assignment in the batch takes one agent at most, so no more of the best can be needed; some lost their room meanwhile. */
const SPARE = 8;

/** Who may get it, the best first: another agent than those that had it, as long as there is another. */
export const shortlist = ({ fleet, batch }: View, need: Need, tried: readonly string[]): string[] => {
  const able = fleet.able.get(needKey(need)) ?? [];
  const others = able.filter((agentId) => !tried.includes(agentId));
  return (others.length > 0 ? others : able).slice(0, batch + SPARE);
};

const candidateOf = (agentId: string, books: Books, context: Ctx): Candidate | undefined => {
  const { agents, circuits } = context.view.fleet;
  const agent = agents.get(agentId);
  return agent && { agent, slots: slotsOf(agentId, books, context), circuit: circuits.get(agentId) };
};

export const free = (agentId: string, taskId: string, books: Books, context: Ctx): void => {
  books.slots.set(agentId, release(slotsOf(agentId, books, context), taskId));
};

/** Gives the task to the best who has room; undefined: nobody has. */
export const place = (taskId: string, work: Work, books: Books, context: Ctx): ActiveTask | undefined => {
  const candidates = shortlist(context.view, work.need, work.tried).flatMap((agentId) => candidateOf(agentId, books, context) ?? []);
  const chosen = choose(candidates, work.need);
  const latest = Math.max(...candidates.map(({ slots }) => slots.last));
  return chosen && assign(taskId, work, chosen, Math.max(context.now, latest + 1), books, context);
};

const assign = (taskId: string, work: Work, { agent, slots, circuit }: Candidate, last: number, books: Books, { now, settings }: Ctx) => {
  const { agent_id } = agent.profile;
  const tried = [...work.tried, agent_id];
  const attempt = tried.length;
  const deadline = now + work.timeout;
  const probing = circuit?.state === 'half-open' ? circuit.epoch : undefined;
  books.slots.set(agent_id, take(slots, taskId, { attempt, at: now }, last, probing));
  const body = { task_id: taskId, agent_id, attempt, deadline: new Date(deadline).toISOString() };
  books.publish.push(output(taskAssignment, { agent_id }, { ...body, ...(work.payload !== undefined && { payload: work.payload }) }));
  const active: ActiveTask = {
    phase: 'active',
    ...workOf(work),
    tried,
    assignedAt: now,
    acceptBy: Math.min(now + settings.accept, deadline),
    deadline,
    ...(circuit && { epoch: circuit.epoch }),
  };
  return active;
};

/** Gives the agent what waits for it, in order, as long as it has room, `most` at most. Answers how many. */
export const pull = (agentId: string, most: number, books: Books, context: Ctx): number => {
  let pulled = 0;
  for (const { taskId, marker } of context.view.queues.get(agentId) ?? []) {
    const candidate = candidateOf(agentId, books, context);
    if (pulled >= most || !candidate || roomOf(candidate) <= 0) break;
    const key = taskKey(taskId);
    const task = key in books.also ? undefined : context.also(taskKind, taskId);
    if (task?.phase !== 'waiting' || task.tried.includes(agentId) || !fits(candidate.agent, task.need)) continue;
    books.also[key] = assign(taskId, task, candidate, Math.max(context.now, candidate.slots.last + 1), books, context);
    books.also[marker] = marked(null, context.now);
    pulled++;
  }
  return pulled;
};

/** What `pull` may change. */
export const queueKeys = ({ queues }: View, agentId: string): EntityKey[] =>
  (queues.get(agentId) ?? []).flatMap(({ taskId, marker }) => [taskKey(taskId), marker]);

const marked = (queue: string | null, at: number): Marker => ({ queue, at });

export const enqueue = (taskId: string, work: Work, books: Books, { now }: Ctx): void => {
  books.also[markerKey(taskId, work)] = marked(queueOf(work.need), now);
};

export const dequeue = (taskId: string, work: Pick<Work, 'priority' | 'submittedAt'>, books: Books, { now }: Ctx): void => {
  books.also[markerKey(taskId, work)] = marked(null, now);
};
