/**
 * Keeps a dead letter, counts it in the group of its error, and publishes it again: by itself while its error is transient,
 * four times later each time, or when an operation asks (`operation.ts`). What comes back is the same letter, open again.
 */
import type { Headers } from '#shared/contract.ts';
import { type Alarm, type Context, type Decision, defineEntity, done, type Output } from '#shared/entity/entity.ts';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import { deadLetter, maxDeliveries, messageTerminated } from '#shared/messages/dead-letter.ts';
import { natureOf } from './classify.ts';
import { addPart, assemble, type Content } from './content.ts';
import {
  type AdvisoryArrival,
  type Arrival,
  type Facts,
  factsOfAdvisory,
  factsOfLetter,
  letterId,
  ORIGIN_HEADER,
  RETRY_HEADER,
} from './facts.ts';
import { fingerprint } from './fingerprint.ts';
import { type Group, type Letter, letterGroupKind, letterKind, lookupChildren, noted, obstacle } from './letter.ts';
import type { Settings } from './settings.ts';

const SOURCE = 'dlq-processor';
const OCCURRENCES = 10;
const EXAMPLES = 5;
const GROWTH = 4;

type Event = Arrival | AdvisoryArrival;
type LetterContext = Context<Settings>;

const factsOf = (event: Event): Facts => (event.message === 'deadLetter' ? factsOfLetter(event) : factsOfAdvisory(event));

export const decide = (stored: Letter | undefined, event: Event | Alarm, context: LetterContext): Decision<Letter> => {
  const letter = stored && stored.keepUntil > context.now ? stored : undefined;
  if (event.message === 'alarm') return wake(letter, context);
  const facts = factsOf(event);
  const isFirst = !letter || letter.occurrences[0] === facts.occurrence;
  if (letter && !isFirst) return letter.occurrences.includes(facts.occurrence) ? done() : again(letter, facts, context);
  const added = event.message === 'deadLetter' ? addPart(letter?.content, event, facts.part) : undefined;
  if (letter?.content === added?.content && letter) return done();
  const state = { ...(letter ?? opened(facts, context)), ...(added && { content: added.content }) };
  const keep = [...(added?.children ?? []), ...(letter ? [] : lookupChildren(state))];
  return done({
    state,
    children: keep.map((child) => ({ ...child, expiresAt: state.keepUntil })),
    wakeAt: nextRetry(state, context),
    ...(!letter && { also: counted(facts, context) }),
  });
};

const described = (facts: Facts) => {
  const { origin, occurrence: _occurrence, part: _part, retries: _retries, ...said } = facts;
  return { ...said, nature: natureOf(facts.code), group: fingerprint(facts).id };
};

const opened = (facts: Facts, { now, settings }: LetterContext): Letter => ({
  ...described(facts),
  origin: facts.origin,
  status: 'open',
  retries: facts.retries,
  occurrences: [facts.occurrence],
  history: [{ at: facts.cameAt, what: 'came', by: facts.function }],
  keepUntil: now + settings.keepMs,
});

/** It was published again and given up again. The bytes are the same, so only why is news. */
const again = (letter: Letter, facts: Facts, context: LetterContext): Decision<Letter> => {
  const [first = '', ...rest] = letter.occurrences;
  const state: Letter = {
    ...letter,
    ...described(facts),
    status: letter.status === 'discarded' ? 'discarded' : 'open',
    attempts: letter.attempts + facts.attempts,
    firstAt: letter.firstAt,
    retries: Math.max(letter.retries, facts.retries),
    occurrences: [first, ...[...rest, facts.occurrence].slice(1 - OCCURRENCES)],
    history: noted(letter, 'came', facts.function, facts.cameAt),
  };
  const children = lookupChildren(state).map((child) => ({ ...child, expiresAt: state.keepUntil }));
  return done({ state, children, wakeAt: nextRetry(state, context), also: counted(facts, context) });
};

/** The group with one more. */
const counted = (facts: Facts, { also, id, now, settings }: LetterContext): Record<EntityKey, unknown> => {
  const { id: groupId, ...same } = fingerprint(facts);
  const stored = also(letterGroupKind, groupId);
  const before = stored && stored.keepUntil > now ? stored : undefined;
  const group: Group = {
    ...same,
    nature: natureOf(facts.code),
    count: (before?.count ?? 0) + 1,
    firstAt: before?.firstAt ?? facts.cameAt,
    lastAt: Math.max(before?.lastAt ?? 0, facts.cameAt),
    examples: [...(before?.examples ?? []).filter((example) => example !== id), id].slice(-EXAMPLES),
    keepUntil: now + settings.keepMs,
  };
  return { [keyOf(letterGroupKind.kind, groupId)]: group };
};

/** When it is published again by itself; null: not by itself. */
const nextRetry = (letter: Letter, { now, settings }: LetterContext): number | null => {
  const { autoRetries, maxRetries, retryFirstMs, retryMaxMs } = settings;
  if (letter.status !== 'open' || letter.nature !== 'transient' || letter.retries >= autoRetries) return null;
  return obstacle(letter, maxRetries) ? null : now + Math.min(retryFirstMs * GROWTH ** letter.retries, retryMaxMs);
};

const wake = (letter: Letter | undefined, context: LetterContext): Decision<Letter> => {
  const { now, wakeAt, settings } = context;
  if (!letter) return done({ wakeAt: null });
  const { requestedBy, ...kept } = letter;
  const isDue = wakeAt !== null && now >= wakeAt;
  if (requestedBy === undefined && !isDue) return done();
  const content = letter.content && assemble(letter.content, context.children);
  const wanted = requestedBy !== undefined || letter.status === 'open';
  if (!wanted || !content || obstacle(letter, settings.maxRetries)) return done({ state: kept, wakeAt: null });
  const retries = letter.retries + 1;
  const history = noted(letter, 'replayed', requestedBy ?? SOURCE, now);
  return done({ state: { ...kept, status: 'replayed', retries, history }, publish: [replay(letter, content, retries)], wakeAt: null });
};

const replay = (letter: Letter, { headers, data, encoding }: Content, retries: number): Output => ({
  subject: letter.subject,
  raw: { data, encoding },
  headers: { ...without(headers, RETRY_HEADER), [RETRY_HEADER]: [String(retries)], [ORIGIN_HEADER]: [letter.origin] },
});

const without = (headers: Headers, unwanted: string): Headers =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== unwanted.toLowerCase()));

export const letters = defineEntity({
  of: letterKind,
  accepts: [deadLetter, maxDeliveries, messageTerminated],
  id: (event) => letterId(factsOf(event)),
  decide,
  also: (_, event) => (event.message === 'alarm' ? [] : [keyOf(letterGroupKind.kind, fingerprint(factsOf(event)).id)]),
  needsChildren: (letter, event) => event.message === 'alarm' && letter?.content !== undefined && letter.content.inline === undefined,
});
