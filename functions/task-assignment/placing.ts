/** Tasks to agents: a task looks for an agent that has room, an agent for what waits for it. Pure. */
import { fnv1a } from '#shared/fnv1a.ts';
import { iso } from '#shared/iso.ts';
import { output } from '#shared/messages/message.ts';
import type { Policy } from '#shared/messages/routing-policy.ts';
import { taskAssignment } from '#shared/messages/task.ts';
import type { Agent } from '#shared/registry/agent.ts';
import { candidateOf, fits, roomOf } from '#shared/routing/capacity.ts';
import { withFigures } from '#shared/routing/figures.ts';
import { asksFigures, DEFAULT_POLICY } from '#shared/routing/policies.ts';
import { route } from '#shared/routing/route.ts';
import { needKey } from '#shared/tasks/need.ts';
import { release, take } from '#shared/tasks/slots.ts';
import type { Task, WaitingTask, Work } from '#shared/tasks/task.ts';
import { workOf } from '#shared/tasks/task.ts';
import { inTurn } from '#shared/tasks/waiting.ts';
import { type Books, bulkheadIn, setSlots, setTask, slotsIn, taskIn } from './books.ts';
import { limitOf } from './settings.ts';

/** Of payloads in one decision: a transaction holds 4 MB, an answer 6. */
const PULLED_BYTES = 1_000_000;
/** Agents that are compared for a task; others only where none of them has room. */
const COMPARED = 16;
/**
 * A waiting task looks again after as long as it waits already, within these bounds: its queue is read with a lag, and an agent
 * that is well again is not heard to be.
 */
const LOOK_AGAIN_MS = { least: 1500, most: 300_000 };

/** Whether it may still be tried. */
export const isInTime = ({ deadline = Infinity }: Pick<Work, 'deadline'>, now: number): boolean => now < deadline;

/** Until when an attempt, or a wait, that begins now may last, epoch ms. */
export const untilOf = ({ timeout, deadline = Infinity }: Pick<Work, 'timeout' | 'deadline'>, now: number): number =>
  Math.min(now + timeout, deadline);

/** Whether there is time left for a task, and its domain may have one more under way. */
const mayBegin = (books: Books, work: Pick<Work, 'need' | 'deadline'>): boolean => {
  if (!isInTime(work, books.context.now)) return false;
  const { domain } = work.need;
  const concurrent = limitOf(books.context.settings, domain)?.concurrent;
  return concurrent === undefined || bulkheadIn(books, domain as string).active < concurrent;
};

/** Who could do it, of a large fleet some: another agent than those that had it, as long as there is another. */
const shortlist = ({ context: { view } }: Books, { need, tried }: Work): readonly string[] => {
  const able = view.fleet.able.get(needKey(need)) ?? [];
  const others = tried.length === 0 ? able : able.filter((agentId) => !tried.includes(agentId));
  return others.length > 0 ? others : able;
};

/** The best of these agents that has room, as the policy says. */
const best = (books: Books, taskId: string, work: Work, policy: Policy, agentIds: readonly string[]) => {
  const { view, now } = books.context;
  const asks = asksFigures(policy);
  const candidates = agentIds.flatMap((id) => {
    const agent = view.fleet.agents.get(id);
    if (!agent) return [];
    const circuit = view.fleet.circuits.get(id);
    const candidate = candidateOf(agent, slotsIn(books, id), circuit);
    return asks ? withFigures(candidate, circuit, view.loads.get(id), now) : candidate;
  });
  const { targets } = route({ candidates, policy, need: work.need, priority: work.priority, seed: fnv1a(taskId) });
  const [target] = targets;
  return target && { ...target, last: Math.max(...candidates.map(({ last }) => last)) };
};

/** Some of a long list, others for another task. */
const someOf = (list: readonly string[], taskId: string): readonly string[] => {
  if (list.length <= COMPARED) return list;
  const from = fnv1a(taskId) % list.length;
  return [...list.slice(from, from + COMPARED), ...list.slice(0, Math.max(0, from + COMPARED - list.length))];
};

/** Gives the task to an agent that has room. Answers whether there is one. */
export const place = (books: Books, taskId: string, work: Work): boolean => {
  if (!mayBegin(books, work)) return false;
  const { view } = books.context;
  const { policy = view.policy } = work;
  const list = shortlist(books, work);
  // The least loaded of a few is nearly as good as that of all; what else a policy prefers may be found among all only.
  const few = policy === DEFAULT_POLICY ? someOf(list, taskId) : list;
  const target = best(books, taskId, work, policy, few) ?? (few.length < list.length ? best(books, taskId, work, policy, list) : undefined);
  if (!target) return false;
  assign(books, taskId, work, target);
  return true;
};

/** `last`: of those it was chosen from, when one was chosen last: equals take turns. */
const assign = (books: Books, taskId: string, work: Work, { id, turn, last }: { id: string; turn?: number; last: number }): void => {
  const { now, settings, view } = books.context;
  const circuit = view.fleet.circuits.get(id);
  const attempt = work.tried.length + 1;
  const deadline = untilOf(work, now);
  const due = Math.min(now + settings.accept, deadline);
  const { domain } = work.need;
  const held = { attempt, at: now, due, deadline, ...(domain !== undefined && { domain }) };
  const probing = circuit?.state === 'half-open' ? circuit.epoch : undefined;
  setSlots(books, id, take(slotsIn(books, id), taskId, held, { last: Math.max(now, last + 1), turn, probing }));
  const epoch = circuit ? { epoch: circuit.epoch } : {};
  setTask(books, taskId, { phase: 'active', ...workOf(work), tried: [...work.tried, id], assignedAt: now, ...epoch });
  const payload = work.payload === undefined ? {} : { payload: work.payload };
  const body = { task_id: taskId, agent_id: id, attempt, deadline: iso(deadline), ...payload };
  // Who asks others for a part of it has this long in all.
  books.publish.push(output(taskAssignment, { agent_id: id }, body, { 'X-Deadline': [iso(work.deadline ?? deadline)] }));
};

/** Gives the task to an agent, or lets it wait for one. `queued`: whether its queue may be told in this decision. */
export const placeOrWait = (books: Books, taskId: string, work: Work, queued = true): void => {
  if (place(books, taskId, work)) return;
  const { now } = books.context;
  const until = untilOf(work, now);
  const waiting: WaitingTask = { phase: 'waiting', ...workOf(work), since: now, until, lookAt: until, queued };
  setTask(books, taskId, { ...waiting, lookAt: nextLook(waiting, now) });
};

export const nextLook = ({ since, until }: WaitingTask, now: number): number =>
  Math.min(until, now + Math.min(LOOK_AGAIN_MS.most, Math.max(LOOK_AGAIN_MS.least, now - since)));

/** The agent no longer has it. */
export const free = (books: Books, agentId: string, taskId: string): void =>
  setSlots(books, agentId, release(slotsIn(books, agentId), taskId));

/** Gives the agent what waits for it, as long as it has room, `most` at most. Answers whether there may be more. */
export const pull = (books: Books, agentId: string, most: number): boolean => {
  const { fleet, queues } = books.context.view;
  const agent = fleet.agents.get(agentId);
  const queue = queues.get(agentId) ?? [];
  if (!agent || queue.length === 0) return false;
  const roomNow = () => roomOf(agent, slotsIn(books, agentId), fleet.circuits.get(agentId));
  let bytes = 0;
  for (let pulled = 0; roomNow() > 0; pulled++) {
    if (pulled === most || bytes > PULLED_BYTES) return true;
    const { taken, last } = slotsIn(books, agentId);
    const next = inTurn(queue, taken).find(({ taskId }) => mayPull(books, agent, taskIn(books, taskId)));
    if (!next) return false;
    const task = taskIn(books, next.taskId) as WaitingTask;
    assign(books, next.taskId, task, { id: agentId, last });
    if (most > 1) bytes += Buffer.byteLength(JSON.stringify(task.payload ?? null));
  }
  return false;
};

/** Whether it waits, and for such an agent: one that did not have it, and that the policy would send it to. */
const mayPull = (books: Books, agent: Agent, task: Task | undefined): boolean => {
  const { agent_id } = agent.profile;
  if (task?.phase !== 'waiting' || task.tried.includes(agent_id) || !fits(agent, task.need) || !mayBegin(books, task)) return false;
  const { policy = books.context.view.policy } = task;
  return policy === DEFAULT_POLICY || best(books, '', task, policy, [agent_id]) !== undefined;
};
