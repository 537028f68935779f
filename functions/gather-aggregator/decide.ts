/**
 * Collects the results of a scatter and says once what came: `complete` at `max_responses`, or at the timeout `complete` or
 * `timed_out`, as `min_responses` came or did not. (`partial`, which the wire knows too, is for aggregators that have no
 * minimum.) Without `max_responses` the minimum is also the maximum, as in document 002's own aggregator.
 *
 * A scatter without `min_responses` is gathered by its sender and leaves no trace here. Its results look like early ones:
 * they are held for two minutes, in case a scatter comes after its results.
 */
import * as z from 'zod';
import { type Alarm, type Child, type Context, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { output, type Received } from '#shared/messages/message.ts';
import { gatherComplete, gatherResult, scatterTask } from '#shared/messages/scatter-gather.ts';
import { addResult, bytesOf, childNames, compose, fitsOne, MAX_RESULT_BYTES, MAX_RESULTS, references, resultSchema } from './results.ts';

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_TIMEOUT_MS = 24 * 3_600_000;
const HOLD_EARLY_MS = 120_000;
const KEEP_MS = 48 * 3_600_000;
/** What is handled so much too late tells of an outage, which is nobody's timeout: results waited for its end, too. */
const LATE_MS = 2000;
/** Long enough for what was in a bridge's hands when it died to be delivered again. */
const CATCH_UP_MS = 30_000;

const results = z.array(resultSchema);
const stateSchema = z.discriminatedUnion('phase', [
  /** Results came before their scatter. */
  z.object({ phase: z.literal('early'), until: z.number(), results }),
  z.object({ phase: z.literal('open'), min: z.number(), max: z.number(), deadline: z.number(), results }),
  /** `results` are kept only for an answer that is fetched page by page. `late`: results that came afterwards. */
  z.object({ phase: z.literal('closed'), status: z.enum(['complete', 'timed_out']), at: z.number(), late: z.number(), results }),
  /** No scatter came for early results: they belong to somebody else's gather. */
  z.object({ phase: z.literal('left'), at: z.number() }),
]);

export type Gather = z.infer<typeof stateSchema>;
type Open = Extract<Gather, { phase: 'open' }>;
type Event = Received<typeof scatterTask | typeof gatherResult>;

const lastTime = (gather: Gather): number => {
  switch (gather.phase) {
    case 'early':
      return gather.until;
    case 'open':
      return gather.deadline;
    case 'closed':
    case 'left':
      return gather.at;
    default:
      throw gather satisfies never;
  }
};

export const gatherKind: Kind<Gather> = {
  kind: 'gather',
  schema: stateSchema,
  version: 1,
  expiresAt: (gather) => lastTime(gather) + KEEP_MS,
};

const begin = (gather: Gather | undefined, event: Received<typeof scatterTask>, context: Context): Decision<Gather> => {
  const { min_responses: min, max_responses: max = min, timeout_ms = DEFAULT_TIMEOUT_MS } = event.body;
  if (min === undefined || max === undefined || gather?.phase === 'open' || gather?.phase === 'closed') return done();
  if (max > MAX_RESULTS) {
    const message = `scatter ${context.id} asks for ${max} responses: ask for ${MAX_RESULTS} at most`;
    return { outcome: 'deadLetter', reason: { code: 'too_many_responses', message } };
  }
  const from = context.now - event.sentAt > LATE_MS ? context.now : event.sentAt;
  const held = gather?.phase === 'early' ? gather.results : [];
  const deadline = from + Math.min(timeout_ms, MAX_TIMEOUT_MS);
  const open: Open = { phase: 'open', min, max, deadline, results: held.slice(0, max) };
  return open.results.length >= max ? close(open, 'complete', [], context) : done({ state: open, wakeAt: deadline });
};

const collect = (gather: Gather | undefined, event: Received<typeof gatherResult>, context: Context): Decision<Gather> => {
  if (gather?.phase === 'left') return done();
  if (gather?.phase === 'closed') return done({ state: { ...gather, late: gather.late + 1 } });
  const response = responseOf(event);
  const bytes = bytesOf(response);
  if (bytes > MAX_RESULT_BYTES) {
    const message = `a result of gather ${context.id} has ${bytes} bytes, at most ${MAX_RESULT_BYTES} are taken: store it elsewhere and send a reference`;
    return { outcome: 'deadLetter', reason: { code: 'result_too_large', message } };
  }
  const from = response.agent_id ?? context.newId();
  const before = gather?.results ?? [];
  if (before.length >= MAX_RESULTS || before.some((result) => result.from === from)) return done();
  const anonymous = response.agent_id === undefined && { anonymous: true as const };
  const { results, children } = addResult(before, { from, ...anonymous, bytes, response });
  if (gather?.phase === 'open') {
    const open = { ...gather, results };
    if (results.length >= open.max) return close(open, 'complete', children, context);
    return done({ state: open, children: keep(children, open.deadline) });
  }
  const until = gather?.until ?? context.now + HOLD_EARLY_MS;
  return done({ state: { phase: 'early', until, results }, children: keep(children, until), wakeAt: until });
};

const responseOf = (event: Received<typeof gatherResult>) => {
  const { request_id: _, ...response } = event.body;
  return response;
};

const wake = (gather: Gather | undefined, context: Context): Decision<Gather> => {
  const { now, wakeAt } = context;
  if (wakeAt === null || now < wakeAt) return done();
  switch (gather?.phase) {
    case 'open':
      if (now - wakeAt > LATE_MS) return done({ wakeAt: now + CATCH_UP_MS });
      return close(gather, gather.results.length >= gather.min ? 'complete' : 'timed_out', [], context);
    case 'early':
      return done({ state: { phase: 'left', at: now }, drop: childNames(gather.results), wakeAt: null });
    case 'closed':
    case 'left':
    case undefined:
      return done({ wakeAt: null });
    default:
      throw gather satisfies never;
  }
};

/** `added`: children that this decision would put. */
const close = (gather: Open, status: 'complete' | 'timed_out', added: Child[], context: Context): Decision<Gather> => {
  const { results } = gather;
  const closed = { phase: 'closed' as const, status, at: context.now, late: 0 };
  const said = { request_id: context.id, status, count: results.length };
  const known = new Map([...context.children, ...added.map(({ name, data }) => [name, data] as const)]);
  const responses = fitsOne(results) ? compose(results, known) : undefined;
  if (!responses) {
    const publish = [output(gatherComplete, { request_id: context.id }, { ...said, responses: references(results) })];
    return done({ state: { ...closed, results }, children: keep(added, context.now), publish, wakeAt: null });
  }
  const publish = [output(gatherComplete, { request_id: context.id }, { ...said, responses })];
  return done({ state: { ...closed, results: [] }, drop: childNames(results), publish, wakeAt: null });
};

const keep = (children: Child[], from: number): Child[] => children.map((child) => ({ ...child, expiresAt: from + KEEP_MS }));

export const decide = (gather: Gather | undefined, event: Event | Alarm, context: Context): Decision<Gather> => {
  switch (event.message) {
    case 'scatterTask':
      return begin(gather, event, context);
    case 'gatherResult':
      return collect(gather, event, context);
    case 'alarm':
      return wake(gather, context);
    default:
      throw event satisfies never;
  }
};

/** Children are read only for an answer that is sent whole. */
const needsChildren = (gather: Gather | undefined, event: Event | Alarm): boolean => {
  if (gather?.phase !== 'open' && gather?.phase !== 'early') return false;
  const mayClose = event.message === 'gatherResult' ? gather.phase === 'open' && gather.results.length + 1 >= gather.max : true;
  const added = event.message === 'gatherResult' ? [{ bytes: bytesOf(responseOf(event)) }] : [];
  return mayClose && childNames(gather.results).length > 0 && fitsOne([...gather.results, ...added]);
};

export const gathers = defineEntity({
  of: gatherKind,
  accepts: [scatterTask, gatherResult],
  id: (event) => event.params.request_id,
  decide,
  needsChildren,
});
