/**
 * A replay or a discard of all letters that a filter finds, a step an alarm. A replay sends a few first, alone: when one of
 * these canaries has come back after a while, the rest stays. The operation is its own audit: who, when, what, how far.
 *
 * A step marks its letters and wakes them; each publishes itself (`decide.ts`). Letters that came after the operation began
 * are not its concern, so what it sends and what comes back is never sent twice.
 */
import * as z from 'zod';
import { contentId } from '#shared/content-id.ts';
import { type Alarm, type Context, type Decision, defineEntity, done, type Output } from '#shared/entity/entity.ts';
import { type EntityKey, idOf, keyOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { iso } from '#shared/iso.ts';
import { raise } from '#shared/messages/alert.ts';
import { controlDlqDiscard, controlDlqReplay, type DeadLetterOperation } from '#shared/messages/control.ts';
import type { Received } from '#shared/messages/message.ts';
import { buildSubject, internalSubjects } from '#shared/subjects.ts';
import { type Found, findLetters } from './find.ts';
import { type Filter, type Letter, letterKind, matches, noted, obstacle } from './letter.ts';
import type { Settings } from './settings.ts';

const SOURCE = 'dlq-processor';
const STEP_MS = 1000;
/** Letters that a step may look at: a transaction holds them and the operation. */
const MAX_STEP = 50;

const filterSchema = z.object({
  id: z.string().optional(),
  group: z.string().optional(),
  subject: z.string().optional(),
  reason: z.string().optional(),
  since: z.string().optional(),
  until: z.string().optional(),
  status: z.enum(['open', 'replayed', 'discarded']).optional(),
});

const operationSchema = z.object({
  action: z.enum(['replay', 'discard']),
  by: z.string(),
  /** Epoch ms. */
  at: z.number(),
  filter: filterSchema,
  /** At most so many letters. */
  limit: z.number().optional(),
  /** watching: the canaries are out. stopped: one came back. */
  phase: z.enum(['watching', 'running', 'done', 'stopped']),
  canaries: z.array(z.string()),
  /** Where the next step begins; null: there is nothing left. Absent: at the start. */
  next: z.string().nullable().optional(),
  taken: z.number(),
  /** How many could not be published again, by why. */
  skipped: z.record(z.string(), z.number()),
  endedAt: z.number().optional(),
  keepUntil: z.number(),
});
export type Operation = z.infer<typeof operationSchema>;

export const OPERATIONS_LOOKUP = 'dlq.operations';
export const operationKind: Kind<Operation> = {
  kind: 'letter-operation',
  schema: operationSchema,
  version: 1,
  expiresAt: ({ keepUntil }) => keepUntil,
  lookup: () => OPERATIONS_LOOKUP,
};

type Request = Received<typeof controlDlqReplay | typeof controlDlqDiscard>;
type Event = Request | Alarm;

/** By operation: the letters of its next step, from where they were looked for, and its canaries. */
export type Steps = ReadonlyMap<string, { from: string | null | undefined; found: Found; canaries: readonly string[] }>;
type StepContext = Context<Settings, Steps>;

/** A request is one operation, however it is handled. */
const operationId = ({ message, body, reply = '', sentAt }: Request): string => contentId({ message, body, reply, sentAt });

const filterOf = ({ id, group, subject, reason, since, until, status = 'open' }: DeadLetterOperation, sentAt: number): Filter => {
  const latest = until === undefined ? sentAt : Math.min(sentAt, Date.parse(until));
  const wanted = { id, group, subject, reason, since, until: new Date(latest).toISOString(), status };
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
};

export const decide = (operation: Operation | undefined, event: Event, context: StepContext): Decision<Operation> => {
  if (event.message === 'alarm') return operation ? goOn(operation, context) : done({ wakeAt: null });
  if (operation) return done({ reply: { body: { operation: toWire(context.id, operation) } } });
  const { now, settings } = context;
  const begun: Operation = {
    action: event.message === 'controlDlqReplay' ? 'replay' : 'discard',
    by: event.body.by,
    at: now,
    filter: filterOf(event.body, event.sentAt) as Operation['filter'],
    ...(event.body.limit !== undefined && { limit: event.body.limit }),
    phase: 'running',
    canaries: [],
    taken: 0,
    skipped: {},
    keepUntil: now + settings.keepMs,
  };
  const first = advance(begun, context);
  return done({ ...first, reply: { body: { operation: toWire(context.id, first.state) } } });
};

const goOn = (operation: Operation, context: StepContext): Decision<Operation> => {
  const { now, wakeAt, view } = context;
  if (wakeAt === null || now < wakeAt) return done();
  if (operation.phase === 'watching') return judge(operation, context);
  if (operation.phase !== 'running') return done({ wakeAt: null });
  // It was changed after the letters were looked for: the next alarm looks again.
  if (view.get(context.id)?.from !== operation.next) return done({ wakeAt: now + STEP_MS });
  return done(advance(operation, context));
};

/** The next step. A replay has its canaries out before anything else. */
const advance = (operation: Operation, context: StepContext) => {
  const { now, settings } = context;
  const isReplay = operation.action === 'replay';
  const isCanary = isReplay && operation.canaries.length === 0;
  const many = isReplay ? (isCanary ? settings.canary : settings.replayRate) : MAX_STEP;
  const { after, taken, ...decided } = step(operation, context, many);
  if (isCanary && taken.length > 0) {
    const state: Operation = { ...after, phase: 'watching', canaries: taken };
    return { ...decided, state, wakeAt: now + settings.canaryWaitMs };
  }
  if (isOver(after)) return { ...decided, state: ended(after, 'done', now), wakeAt: null };
  return { ...decided, state: after, wakeAt: now + STEP_MS };
};

const ended = (operation: Operation, phase: 'done' | 'stopped', now: number): Operation => ({ ...operation, phase, endedAt: now });

/** The canaries have had their time: the rest follows when none of them is back. */
const judge = (operation: Operation, context: StepContext): Decision<Operation> => {
  const { now } = context;
  const back = operation.canaries.filter((id) => context.also(letterKind, id)?.status !== 'replayed');
  if (back.length > 0) {
    return done({ state: ended(operation, 'stopped', now), publish: [stopped(operation, back, context)], wakeAt: null });
  }
  if (isOver(operation)) return done({ state: ended(operation, 'done', now), wakeAt: null });
  return done({ state: { ...operation, phase: 'running' }, wakeAt: now });
};

const isOver = ({ next, taken, limit = Infinity }: Operation): boolean => next === null || taken >= limit;

type Step = { after: Operation; also: Record<EntityKey, Letter>; publish: Output[]; taken: string[] };

/** Takes at most `many` letters of those that were found. */
const step = (operation: Operation, context: StepContext, many: number): Step => {
  const { now, id, settings, view } = context;
  const found = view.get(id)?.found ?? { letters: [], next: null };
  const room = Math.min(many, (operation.limit ?? Infinity) - operation.taken);
  const also: Record<EntityKey, Letter> = {};
  const skipped = { ...operation.skipped };
  const taken: string[] = [];
  let next = found.next;
  for (const [n, { id: letterId }] of found.letters.entries()) {
    if (taken.length >= room) {
      next = found.letters[n - 1]?.place ?? operation.next ?? null;
      break;
    }
    const letter = context.also(letterKind, letterId);
    if (!letter || !matches(letterId, letter, operation.filter, now) || letter.requestedBy !== undefined) continue;
    const why = operation.action === 'replay' ? obstacle(letter, settings.maxRetries) : undefined;
    if (why !== undefined) {
      skipped[why] = (skipped[why] ?? 0) + 1;
      continue;
    }
    also[keyOf(letterKind.kind, letterId)] = marked(letter, operation, id, now);
    taken.push(letterId);
  }
  const after: Operation = { ...operation, next, taken: operation.taken + taken.length, skipped };
  return { after, also, publish: operation.action === 'replay' ? taken.map((letter) => woken(letter, now)) : [], taken };
};

const marked = (letter: Letter, { action, by }: Operation, id: string, now: number): Letter =>
  action === 'replay' ? { ...letter, requestedBy: id } : { ...letter, status: 'discarded', history: noted(letter, 'discarded', by, now) };

const woken = (letter: string, now: number): Output => ({
  subject: buildSubject(internalSubjects.timerDue, { function: SOURCE, key: `${letterKind.kind}.${letter}.${now}` }),
  body: { due: new Date(now).toISOString() },
});

const stopped = ({ by, canaries }: Operation, back: string[], { id, newId }: StepContext): Output =>
  raise({
    alert_id: newId('stopped'),
    severity: 'medium',
    source: SOURCE,
    summary: `replay ${id} of ${by} is stopped: ${back.length} of the ${canaries.length} dead letters sent first did not get through (${back[0]})`,
  });

export const toWire = (id: string, { action, by, at, filter, limit, phase, canaries, taken, skipped, endedAt }: Operation) => ({
  id,
  action,
  by,
  at: iso(at),
  filter,
  ...(limit !== undefined && { limit }),
  phase,
  canaries,
  taken,
  skipped,
  ...(endedAt !== undefined && { ended_at: iso(endedAt) }),
});

const look = async (events: readonly Event[], reader: Reader): Promise<Steps> => {
  const steps = new Map<string, { from: string | null | undefined; found: Found; canaries: readonly string[] }>();
  const woken = events.flatMap((event) =>
    event.message === 'alarm' ? [{ id: event.key.slice(operationKind.kind.length + 1), now: event.due }] : [],
  );
  const operations = await reader.load(
    operationKind,
    woken.map(({ id }) => id),
  );
  for (const { id, now } of woken) {
    const operation = operations.get(id);
    if (!operation) continue;
    const { filter, next, canaries, phase } = operation;
    const isStep = phase === 'running' && next !== null;
    const found = isStep ? await findLetters(reader, filter, { now, limit: MAX_STEP, from: next }) : { letters: [], next: null };
    steps.set(id, { from: next, found, canaries: phase === 'watching' ? canaries : [] });
  }
  for (const event of events) {
    if (event.message === 'alarm') continue;
    const found = await findLetters(reader, filterOf(event.body, event.sentAt), { now: event.sentAt, limit: MAX_STEP });
    steps.set(operationId(event), { from: undefined, found, canaries: [] });
  }
  return steps;
};

export const operations = defineEntity({
  of: operationKind,
  accepts: [controlDlqReplay, controlDlqDiscard],
  id: operationId,
  decide,
  read: look,
  also: (_, event, view) => {
    const of = view.get(event.message === 'alarm' ? idOf(event.key) : operationId(event));
    return [...(of?.found.letters.map(({ id }) => id) ?? []), ...(of?.canaries ?? [])].map((id) => keyOf(letterKind.kind, id));
  },
});
