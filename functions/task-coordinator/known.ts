/** What a decision knows of a group besides its state: what was read for it, and what the message itself says. Pure. */
import type { Task } from '#shared/tasks/task.ts';
import { bytesOf, type Entry, MAX_BYTES } from './plan.ts';
import { type Answer, type Group, inputsOf } from './state.ts';

/** Of the agents that a broadcast may be for: those who fit, and who was named and does not. */
export type Targets = {
  fit: readonly string[];
  absent: readonly string[];
  /** Behind which agent it was read, and where to read on. */
  from?: string | undefined;
  after?: string;
};

export type Known = {
  /** Pages of the plan. */
  pages: ReadonlyMap<number, readonly Entry[]>;
  /** Answers that are children. */
  answers: ReadonlyMap<number, Answer>;
  /** By id, of the parts that were to be looked at; undefined: none were. */
  tasks?: ReadonlyMap<string, Task>;
  targets?: Targets;
};

export const NOTHING: Known = { pages: new Map(), answers: new Map() };

/** By group. */
export type View = ReadonlyMap<string, Known>;

export const pageOf = ({ plan }: Pick<Group, 'plan'>, n: number): number => plan.findLastIndex((first) => first <= n);

/** A reduce has no entry in the plan, and a broadcast one for all. */
export const entryNumber = (group: Group, n: number): number | undefined => {
  if (group.type === 'broadcast') return 0;
  return group.type === 'map_reduce' && n >= (group.levels[0] ?? 0) ? undefined : n;
};

const entryOf = (group: Group, n: number, known: Known): Entry | undefined => {
  const number = entryNumber(group, n);
  if (number === undefined) return {};
  const page = pageOf(group, number);
  return known.pages.get(page)?.[number - (group.plan[page] ?? 0)];
};

export const answerOf = (group: Group, n: number, known: Known): Answer | undefined => group.answers[n] ?? known.answers.get(n);

export type Input = { entry: Entry; payload: unknown } | 'unread' | 'too_large';

/** What a part is given: its payload, the result before it, both, or the results that it reduces. */
export const inputOf = (group: Group, n: number, known: Known): Input => {
  const entry = entryOf(group, n, known);
  if (!entry) return 'unread';
  const inputs = inputsOf(group, n);
  if (inputs.length === 0) return { entry, payload: entry.payload };
  // Their bytes are known before they are read.
  if (inputs.reduce((sum, from) => sum + (group.bytes[from] ?? 0), 0) + bytesOf(entry.payload) > MAX_BYTES) return 'too_large';
  const answers = inputs.map((from) => answerOf(group, from, known));
  if (answers.includes(undefined)) return 'unread';
  const results = answers.map((answer) => answer?.result ?? null);
  if (group.type === 'map_reduce') return { entry, payload: results };
  return { entry, payload: entry.payload === undefined ? results[0] : { payload: entry.payload, result: results[0] } };
};
