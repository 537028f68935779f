/** What is kept of a dead letter and of what is the same error, and how both are found. Pure. */
import * as z from 'zod';
import type { Child } from '#shared/entity/entity.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';
import { messageBySubject } from '#shared/messages/catalogue.ts';
import { matchesFilter } from '#shared/subjects.ts';
import { fitsAgain, isComplete, sizeOf, storedContentSchema } from './content.ts';

const DAY_MS = 24 * 3_600_000;

const letterSchema = z.object({
  origin: z.string(),
  subject: z.string(),
  function: z.string(),
  stream: z.string(),
  sequence: z.number(),
  consumer: z.string(),
  code: z.string(),
  reason: z.string(),
  nature: z.enum(['transient', 'poison']),
  group: z.string(),
  attempts: z.number(),
  firstAt: z.number(),
  lastAt: z.number(),
  cameAt: z.number(),
  /** open: nobody has done anything about it, or it came back. replayed: published again, and not back so far. */
  status: z.enum(['open', 'replayed', 'discarded']),
  /** How often it was published again. */
  retries: z.number(),
  /** The operation that wants it published again. */
  requestedBy: z.string().optional(),
  /** The times that it was given up, the last ten. */
  occurrences: z.array(z.string()),
  /** Of its first time. Absent: only the server's word of it came. */
  content: storedContentSchema.optional(),
  /** The last twenty things that happened to it. */
  history: z.array(z.object({ at: z.number(), what: z.enum(['came', 'replayed', 'discarded']), by: z.string() })),
  keepUntil: z.number(),
});
export type Letter = z.infer<typeof letterSchema>;

export const letterKind: Kind<Letter> = { kind: 'letter', schema: letterSchema, version: 1, expiresAt: ({ keepUntil }) => keepUntil };

const groupSchema = z.object({
  function: z.string(),
  code: z.string(),
  /** Without what differs from letter to letter. */
  reason: z.string(),
  subject: z.string(),
  nature: z.enum(['transient', 'poison']),
  count: z.number(),
  firstAt: z.number(),
  lastAt: z.number(),
  /** Ids of the newest letters. */
  examples: z.array(z.string()),
  keepUntil: z.number(),
});
export type Group = z.infer<typeof groupSchema>;

export const GROUPS_LOOKUP = 'dlq.groups';
export const letterGroupKind: Kind<Group> = {
  kind: 'letter-group',
  schema: groupSchema,
  version: 1,
  expiresAt: ({ keepUntil }) => keepUntil,
  lookup: () => GROUPS_LOOKUP,
};

export const HISTORY = 20;
export const noted = (letter: Letter, what: Letter['history'][number]['what'], by: string, at: number): Letter['history'] =>
  [...letter.history, { at, what, by }].slice(-HISTORY);

// A key of an index has 2 KB: what is cut off is compared in the state.
export const subjectLookup = (subject: string): string => `dlq.subject=${subject.slice(0, 400)}`;
export const codeLookup = (code: string): string => `dlq.code=${code.slice(0, 400)}`;
export const groupLookup = (group: string): string => `dlq.group=${group}`;
export const dayLookup = (time: number): string => `dlq.day=${new Date(time).toISOString().slice(0, 10)}`;

/** The children by which a letter is found. Each has one name, so that a new value takes the place of the old one. */
export const lookupChildren = ({ subject, code, group, cameAt }: Letter): Child[] =>
  Object.entries({ subject: subjectLookup(subject), code: codeLookup(code), group: groupLookup(group), day: dayLookup(cameAt) }).map(
    ([name, lookup]) => ({ name: `lookup/${name}`, data: {}, lookup }),
  );

export type Filter = {
  id?: string | undefined;
  group?: string | undefined;
  subject?: string | undefined;
  reason?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
  status?: Letter['status'] | undefined;
};

/** Lookups lag behind the state, so all is asked of the state again. `now`: what has expired is not there any more. */
export const matches = (id: string, letter: Letter, filter: Filter, now: number): boolean =>
  letter.keepUntil > now &&
  (filter.id === undefined || id === filter.id) &&
  (filter.group === undefined || letter.group === filter.group) &&
  (filter.subject === undefined || matchesFilter(filter.subject, letter.subject)) &&
  (filter.reason === undefined || letter.code === filter.reason) &&
  (filter.since === undefined || letter.cameAt >= Date.parse(filter.since)) &&
  (filter.until === undefined || letter.cameAt <= Date.parse(filter.until)) &&
  (filter.status === undefined || letter.status === filter.status);

/** Days from a time back to another, newest first, as lookup values. */
export const days = (until: number, since: number): string[] => {
  const count = Math.floor(until / DAY_MS) - Math.floor(since / DAY_MS) + 1;
  return Array.from({ length: Math.max(0, count) }, (_, n) => dayLookup(until - n * DAY_MS));
};

/** Why a letter cannot be published again; undefined: it can. */
export const obstacle = ({ subject, content, retries }: Letter, maxRetries: number): string | undefined => {
  const by = messageBySubject(subject)?.by;
  if (!content) return 'its bytes are not known';
  if (!isComplete(content)) return 'a part of it is missing';
  if (!fitsAgain(content)) return 'it is too large for one message with what a replay adds';
  if (by === undefined || by === 'core' || by === 'request' || by === 'ADVISORIES' || by === 'DEAD_LETTERS')
    return 'no stream of the product carries its subject';
  return retries >= maxRetries ? `it was published again ${retries} times` : undefined;
};

/** A letter as an operator sees it. */
export const toWire = (id: string, letter: Letter) => ({
  id,
  subject: letter.subject,
  function: letter.function,
  reason: { code: letter.code, message: letter.reason },
  nature: letter.nature,
  status: letter.status,
  group: letter.group,
  origin: { stream: letter.stream, sequence: letter.sequence, consumer: letter.consumer },
  attempts: letter.attempts,
  retries: letter.retries,
  first_at: iso(letter.firstAt),
  last_at: iso(letter.lastAt),
  came_at: iso(letter.cameAt),
  bytes: letter.content ? sizeOf(letter.content) : null,
});

export const groupToWire = (id: string, { firstAt, lastAt, keepUntil: _, ...group }: Group) => ({
  id,
  ...group,
  first_at: iso(firstAt),
  last_at: iso(lastAt),
});
