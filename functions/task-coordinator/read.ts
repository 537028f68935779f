/** Reads what decisions about groups need besides their state: agents, what parts are given, answers, tasks. As much as one decision uses. */
import type { Alarm } from '#shared/entity/entity.ts';
import { idOf } from '#shared/entity/key.ts';
import { readPage } from '#shared/entity/page.ts';
import type { Reader } from '#shared/entity/reader.ts';
import type { controlGroupCancel } from '#shared/messages/control-coordination.ts';
import type { Received } from '#shared/messages/message.ts';
import type { task, taskDone } from '#shared/messages/task.ts';
import { agentKind, capabilityLookup } from '#shared/registry/agent.ts';
import { fits } from '#shared/routing/capacity.ts';
import { type Need, needOf } from '#shared/tasks/need.ts';
import { taskKind } from '#shared/tasks/task.ts';
import { answersToTell } from './finish.ts';
import { entryNumber, type Known, NOTHING, pageOf, type Targets, type View } from './known.ts';
import { partsToLookAt } from './look.ts';
import { nextPart, SLICE } from './parts.ts';
import { type Entry, MAX_PARTS } from './plan.ts';
import {
  ANSWERS,
  type Answer,
  answerName,
  type Group,
  groupKind,
  inputsOf,
  numberOf,
  partId,
  partOf,
  planName,
  standing,
} from './state.ts';

export type GroupEvent = Received<typeof task | typeof taskDone | typeof controlGroupCancel>;

const AGENTS_AT_ONCE = 500;

/** What happened to a group in a batch. */
type Happened = { ends: number /** Its alarm, epoch ms. */; due?: number };

export const readView = async (events: readonly (GroupEvent | Alarm)[], reader: Reader): Promise<View> => {
  const happened = new Map<string, Happened>();
  const starts = new Map<string, Need>();
  for (const event of events) {
    if (event.message === 'alarm') happened.set(idOf(event.key), { ends: 0, ...happened.get(idOf(event.key)), due: event.due });
    else if (event.message === 'taskDone') {
      const { groupId } = partOf(event.body.task_id) ?? {};
      const before = groupId === undefined ? undefined : (happened.get(groupId) ?? { ends: 0 });
      if (groupId !== undefined && before) happened.set(groupId, { ...before, ends: before.ends + 1 });
    } else if (event.message === 'task' && event.body.coordination_type === 'broadcast') starts.set(event.body.task_id, needOf(event.body));
  }
  const groups = await reader.load(groupKind, [...happened.keys()]);
  const known = await Promise.all([
    ...[...starts].map(async ([id, need]) => [id, { ...NOTHING, targets: await readTargets(need, undefined, reader) }] as const),
    ...[...groups].map(async ([id, group]) => [id, await readFor(id, group, happened.get(id) as Happened, reader)] as const),
  ]);
  return new Map(known);
};

const readFor = async (id: string, group: Group, what: Happened, reader: Reader): Promise<Known> => {
  switch (group.phase) {
    case 'resolving':
      return { ...NOTHING, targets: await readTargets(needOf({ ...group.needs[0] }), group.after, reader) };
    case 'running':
      return readRunning(id, group, what, reader);
    case 'closing':
      return { ...NOTHING, answers: await readAnswers(id, group, answersToTell(group), reader) };
    case 'ended':
      return what.due === undefined ? NOTHING : { ...NOTHING, tasks: await readTasks(id, group, reader) };
    default:
      throw group.phase satisfies never;
  }
};

const readTargets = async (need: Need, after: string | undefined, reader: Reader): Promise<Targets> => {
  const named = [...new Set(need.participants)].slice(0, MAX_PARTS);
  if (named.length > 0) {
    const agents = await reader.load(agentKind, named);
    const there = (agentId: string): boolean => {
      const agent = agents.get(agentId);
      return agent !== undefined && fits(agent, need);
    };
    return { fit: named.filter(there), absent: named.filter((agentId) => !there(agentId)) };
  }
  const [capability] = need.capabilities;
  const value = capability === undefined ? agentKind.kind : capabilityLookup(capability);
  const { states, next } = await readPage(reader, agentKind, value, { after, limit: AGENTS_AT_ONCE });
  const fit = [...states].flatMap(([agentId, agent]) => (fits(agent, need) ? [agentId] : []));
  return { fit, absent: [], from: after, ...(next !== undefined && { after: next }) };
};

const readRunning = async (id: string, group: Group, { ends, due }: Happened, reader: Reader): Promise<Known> => {
  const looking = due !== undefined && due >= group.lookAt;
  const tasks = looking ? await readTasks(id, group, reader) : undefined;
  const mayBeAsked = tasks ? partsToLookAt(group).filter((n) => tasks.get(partId(id, n, 'original'))?.phase !== 'ended') : [];
  const numbers = [...mayBeAsked, ...(due === undefined ? following(group, ends) : readyParts(group))];
  const pages = readPages(id, group, numbers, reader);
  const inputs = due === undefined ? [] : numbers.flatMap((n) => inputsOf(group, n));
  const answers = readAnswers(id, group, inputs, reader);
  return { pages: await pages, answers: await answers, ...(tasks && { tasks }) };
};

/** The parts that come after those that are asked for: the end of a part may be what they wait for. */
const following = (group: Group, most: number): number[] => {
  const next = group.parts.indexOf('.');
  const count = next === -1 ? 0 : Math.min(most, SLICE.parts, group.parts.length - next);
  return Array.from({ length: count }, (_, i) => next + i);
};

/** Those that can be asked for now, by one decision. */
const readyParts = (group: Group): number[] => {
  if (nextPart(group, 0) === undefined) return [];
  const ready: number[] = [];
  let bytes = 0;
  for (const n of following(group, SLICE.parts)) {
    if (bytes >= SLICE.bytes) break;
    ready.push(n);
    for (const from of inputsOf(group, n)) bytes += group.bytes[from] ?? 0;
  }
  return ready;
};

const readPages = async (id: string, group: Group, numbers: readonly number[], reader: Reader): Promise<Known['pages']> => {
  const wanted = new Set(numbers.flatMap((n) => entryNumber(group, n) ?? []).map((n) => pageOf(group, n)));
  const pages = [...wanted].map(async (page) => {
    const found = await reader.children(groupKind, id, planName(page), { limit: 1 });
    return [...found.values()].map((entries) => [page, entries as Entry[]] as const);
  });
  return new Map((await Promise.all(pages)).flat());
};

/** Those of the parts that are children: a range of them. */
export const readAnswers = async (id: string, group: Group, numbers: readonly number[], reader: Reader): Promise<Known['answers']> => {
  const isChild = (n: number): boolean => (group.bytes[n] ?? 0) > 0 && group.answers[n] === undefined;
  const wanted = new Set(numbers.filter(isChild));
  const answers = new Map<number, Answer>();
  if (wanted.size === 0) return answers;
  const [first, last] = [Math.min(...wanted), Math.max(...wanted)];
  const limit = Array.from({ length: last - first + 1 }, (_, i) => first + i).filter(isChild).length;
  // A child may lie between that does not count, for its decision was never written: then there is more to read.
  for (let [after, found] = [answerName(first - 1), limit]; found === limit && numberOf(after) < last; ) {
    const page = await reader.children(groupKind, id, ANSWERS, { limit, after });
    for (const [name, answer] of page) if (wanted.has(numberOf(name))) answers.set(numberOf(name), answer as Answer);
    found = page.size;
    after = [...page.keys()].at(-1) ?? after;
  }
  return answers;
};

const readTasks = async (id: string, group: Group, reader: Reader) => {
  const ids = partsToLookAt(group).flatMap((n) => standing(group, n).map((which) => partId(id, n, which)));
  return reader.load(taskKind, ids);
};
