/**
 * A task for many as it is kept. Its parts are numbered from 0, level after level: a level begins when the one before is
 * complete. A broadcast and `parallel` are one level, each stage of a pipeline is one, and so are the maps and each layer of
 * reduces. What parts are given are children, and so are answers, unless they are few and small. Pure.
 */
import * as z from 'zod';
import type { Kind } from '#shared/entity/kind.ts';
import { type Task, taskOutcome } from '#shared/messages/task.ts';

const KEEP_MS = 7 * 24 * 3_600_000;

export const GROUP_TYPES = ['broadcast', 'pipeline', 'parallel', 'map_reduce'] as const;
export type GroupType = (typeof GROUP_TYPES)[number];

/** How a part ended. */
const answerSchema = z.object({
  outcome: taskOutcome,
  attempts: z.int(),
  result: z.unknown().optional(),
  error: z.unknown().optional(),
});
export type Answer = z.infer<typeof answerSchema>;

const needsSchema = z.object({
  requirements: z.custom<NonNullable<Task['requirements']>>((value) => typeof value === 'object' && value !== null),
  participants: z.array(z.string()).exactOptional(),
});
export type Needs = z.infer<typeof needsSchema>;

const groupSchema = z.object({
  type: z.enum(GROUP_TYPES),
  /** `closing`: its end is decided, and told when the answers are read. */
  phase: z.enum(['resolving', 'running', 'closing', 'ended']),
  /** Epoch ms, as all times here. */
  startedAt: z.number(),
  deadline: z.number(),
  endedAt: z.number().exactOptional(),
  outcome: taskOutcome.exactOptional(),
  error: z.object({ code: z.string(), message: z.string() }).exactOptional(),
  /** Of the parts of each level; the last one holds for all that follow. */
  needs: z.array(needsSchema),
  levels: z.array(z.int()),
  fanIn: z.int().exactOptional(),
  maxParallel: z.int().exactOptional(),
  minSuccess: z.int().exactOptional(),
  /** It ends when it cannot succeed any more. */
  failFast: z.boolean(),
  /** The agents of a broadcast, the stages of a pipeline, by part. */
  names: z.array(z.string()).exactOptional(),
  /** Named for a broadcast, but not there. */
  absent: z.array(z.string()).exactOptional(),
  /** While it is resolved: the last agent that was looked at. */
  after: z.string().exactOptional(),
  /** The first part of each page of the plan. */
  plan: z.array(z.int()),
  /** A letter a part: `.` planned, `o` asked for, `d` completed, `f` ended otherwise, `x` called off and ended. */
  parts: z.string(),
  /** Of each part's answer. */
  bytes: z.array(z.int()),
  /** By part; those that are not here are children. */
  answers: z.record(z.string(), answerSchema),
  attempts: z.int(),
  /** By part: which of the two may still answer; of a part that is completed, the one that was slower. */
  backups: z.record(z.string(), z.enum(['both', 'original', 'backup'])),
  /** How many backups were asked for. */
  backedUp: z.int(),
  /** ms of each map that is completed. */
  took: z.array(z.number()),
  /** When something was last heard or asked for; when to look at the tasks of parts, from which part on, for the how-manyth time in silence. */
  heardAt: z.number(),
  lookAt: z.number(),
  lookFrom: z.int(),
  looks: z.int(),
  /** Tenths of progress that were told. */
  told: z.int(),
});
export type Group = z.infer<typeof groupSchema>;

export const groupKind: Kind<Group> = {
  kind: 'taskgroup',
  schema: groupSchema,
  version: 1,
  expiresAt: ({ endedAt }) => (endedAt === undefined ? undefined : endedAt + KEEP_MS),
  lookup: ({ outcome }) => lookupOf(outcome),
};

export const lookupOf = (outcome: Group['outcome']): string => `taskgroup.${outcome ?? 'open'}`;

/** When its children may be forgotten. */
export const childrenExpire = ({ deadline }: Group): number => deadline + KEEP_MS + 24 * 3_600_000;

const padded = (n: number): string => String(n + 1).padStart(4, '0');
export const planName = (page: number): string => `plan/${padded(page)}`;
export const ANSWERS = 'answer/';
export const answerName = (n: number): string => `${ANSWERS}${padded(n)}`;
export const numberOf = (childName: string): number => Number(childName.slice(ANSWERS.length)) - 1;

export type Which = 'original' | 'backup';

/** `group-<task>-<NNNN>`; a backup has a `b` at its end. */
export const partId = (groupId: string, n: number, which: Which): string => `group-${groupId}-${padded(n)}${which === 'backup' ? 'b' : ''}`;

const PART_ID = /^group-(.+)-(\d{4,})(b?)$/;

/** The part that a task's id names; undefined: the task is no part. */
export const partOf = (taskId: string): { groupId: string; n: number; which: Which } | undefined => {
  const [, groupId, number, backup] = PART_ID.exec(taskId) ?? [];
  return groupId === undefined ? undefined : { groupId, n: Number(number) - 1, which: backup ? 'backup' : 'original' };
};

export const countOf = ({ parts }: Group, letter: string): number => parts.split(letter).length - 1;
export const withLetter = (parts: string, n: number, letter: string): string => parts.slice(0, n) + letter + parts.slice(n + 1);

/** The parts that are asked for and have not ended, from a part on. */
export const underWay = ({ parts }: Group, from = 0): number[] => {
  const found: number[] = [];
  for (let n = parts.indexOf('o', from); n !== -1; n = parts.indexOf('o', n + 1)) found.push(n);
  return found;
};

/** The parts with a task that may not have ended: after the end of the group those that were called off. */
export const unsettled = (group: Group, from = 0): number[] => {
  const overtaken = Object.keys(group.backups).map(Number);
  return [...new Set([...underWay(group, from), ...overtaken.filter((n) => n >= from)])].sort((a, b) => a - b);
};

/** Its tasks that may still answer. */
export const standing = ({ backups }: Group, n: number): Which[] => {
  const which = backups[n] ?? 'original';
  return which === 'both' ? ['original', 'backup'] : [which];
};

/** The level of a part, and its first part. */
export const levelOf = ({ levels }: Group, n: number): { level: number; first: number } => {
  let first = 0;
  let level = 0;
  for (; level < levels.length - 1 && n >= first + (levels[level] ?? 0); level++) first += levels[level] ?? 0;
  return { level, first };
};

/** The parts whose results a part is given; none: it has what it needs. */
export const inputsOf = (group: Group, n: number): number[] => {
  const { level, first } = levelOf(group, n);
  if (level === 0) return [];
  const size = group.levels[level - 1] ?? 0;
  const start = first - size;
  const fanIn = group.type === 'pipeline' ? 1 : (group.fanIn ?? size);
  const from = (n - first) * fanIn;
  return Array.from({ length: Math.min(fanIn, size - from) }, (_, i) => start + from + i);
};

export const minSuccessOf = ({ minSuccess, parts, absent = [] }: Group): number => minSuccess ?? parts.length + absent.length;
