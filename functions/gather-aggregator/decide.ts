/**
 * Collects the results of a scatter and says once what came, as Apache Camel's aggregator does: `complete` at `max_responses`,
 * or at the timeout `complete` or `timed_out`, as `min_responses` came or did not; or earlier, where the scatter has rules.
 * Without `max_responses` the minimum is also the maximum, as in document 002's own aggregator.
 *
 * A scatter without `min_responses` is gathered by its sender and leaves no trace here. Its results look like early ones:
 * they are held for two minutes, in case a scatter comes after its results.
 */
import { type Alarm, type Context, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import { controlGatherCancel } from '#shared/messages/control.ts';
import type { Received } from '#shared/messages/message.ts';
import { gatherResult, mostOf, scatterTask } from '#shared/messages/scatter-gather.ts';
import { close, keep } from './completion.ts';
import { hold } from './early.ts';
import { fold, isEnded } from './fold.ts';
import { addResult, bytesOf, childNames, fitsOne, hasChildren, MAX_RESULT_BYTES, MAX_RESULTS } from './results.ts';
import { rulesOf } from './rules.ts';
import { dueOf, type Gather, gatherKind, type Open } from './state.ts';

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_TIMEOUT_MS = 24 * 3_600_000;
const HOLD_EARLY_MS = 120_000;
/** What is handled so much too late tells of an outage, which is nobody's timeout: results waited for its end, too. */
const LATE_MS = 2000;
/** Long enough for what was in a bridge's hands when it died to be delivered again. */
const CATCH_UP_MS = 30_000;

type Event = Received<typeof scatterTask | typeof gatherResult | typeof controlGatherCancel>;

const refuse = (code: string, message: string): Decision<Gather> => ({ outcome: 'deadLetter', reason: { code, message } });

/** Since when its time counts. */
const heardAt = ({ sentAt }: Event, { now }: Context): number => (now - sentAt > LATE_MS ? now : sentAt);

const begin = (gather: Gather | undefined, event: Received<typeof scatterTask>, context: Context): Decision<Gather> => {
  const { min_responses: min, timeout_ms = DEFAULT_TIMEOUT_MS } = event.body;
  if (min === undefined || gather?.phase === 'open' || gather?.phase === 'closed') return done();
  const rules = rulesOf(event.body);
  if (typeof rules === 'string') return refuse('bad_complete_when', `scatter ${context.id}: ${rules}`);
  const max = mostOf(rules?.expected ? { ...event.body, expected: rules.expected } : { max_responses: event.body.max_responses }, min);
  if (max > MAX_RESULTS)
    return refuse('too_many_responses', `scatter ${context.id} asks for ${max} responses: ask for ${MAX_RESULTS} at most`);
  const from = heardAt(event, context);
  const deadline = from + Math.min(timeout_ms, MAX_TIMEOUT_MS);
  const held = gather?.phase === 'early' ? gather.results : [];
  if (rules) return hold({ phase: 'open', min, max, deadline, results: [], rules }, held, from, context);
  const open: Open = { phase: 'open', min, max, deadline, results: held.slice(0, max) };
  return open.results.length >= max ? close({ gather: open, children: [], by: 'size' }, context) : done({ state: open, wakeAt: deadline });
};

const hear = (gather: Gather | undefined, event: Received<typeof gatherResult>, context: Context): Decision<Gather> => {
  if (gather?.phase === 'left') return done();
  if (gather?.phase === 'closed') return done({ state: { ...gather, late: gather.late + 1 } });
  const response = responseOf(event);
  const bytes = bytesOf(response);
  if (bytes > MAX_RESULT_BYTES) {
    const message = `a result of gather ${context.id} has ${bytes} bytes, at most ${MAX_RESULT_BYTES} are taken: store it elsewhere and send a reference`;
    return refuse('result_too_large', message);
  }
  const from = response.agent_id ?? context.newId();
  const before = gather?.results ?? [];
  if (before.length >= MAX_RESULTS || before.some((result) => result.from === from)) return done();
  const anonymous = response.agent_id === undefined && { anonymous: true as const };
  if (gather?.phase === 'open') {
    const folded = fold(gather, { from, ...anonymous, response, at: heardAt(event, context) });
    if (isEnded(folded)) return close(folded, context);
    const { gather: open, children } = folded;
    return done({
      state: open,
      children: keep(children, open.deadline),
      ...(open.rules?.idle !== undefined && { wakeAt: later(open, context) }),
    });
  }
  const { results, children } = addResult(before, { from, ...anonymous, bytes, response });
  const until = gather?.until ?? context.now + HOLD_EARLY_MS;
  // One that was put off, to catch up, stays there.
  const wakeAt = Math.max(until, context.wakeAt ?? until);
  return done({ state: { phase: 'early', until, results }, children: keep(children, until), wakeAt });
};

/** An alarm that was put off beyond the deadline, to catch up, stays there. */
const later = (open: Open, { wakeAt }: Context): number => (wakeAt !== null && wakeAt > open.deadline ? wakeAt : dueOf(open));

const responseOf = (event: Received<typeof gatherResult>) => {
  const { request_id: _, ...response } = event.body;
  return response;
};

const cancel = (gather: Gather | undefined, context: Context): Decision<Gather> => {
  const { id } = context;
  if (gather?.phase === 'open') return close({ gather, children: [], by: 'cancel' }, context);
  const error =
    gather?.phase === 'closed'
      ? { code: 'already_ended', message: `gather ${id} has ended already: ${gather.status}` }
      : { code: 'not_found', message: `no scatter ${id} is being gathered: look at its request_id` };
  return done({ reply: { error } });
};

const wake = (gather: Gather | undefined, context: Context): Decision<Gather> => {
  const { now, wakeAt } = context;
  if (wakeAt === null || now < wakeAt) return done();
  const isLate = now - wakeAt > LATE_MS;
  switch (gather?.phase) {
    case 'open':
      if (isLate) return done({ wakeAt: now + CATCH_UP_MS });
      return close({ gather, children: [], by: now < gather.deadline ? 'inactivity' : 'timeout' }, context);
    case 'early':
      // Its scatter may have waited, too.
      if (isLate) return done({ wakeAt: now + CATCH_UP_MS });
      return done({ state: { phase: 'left', at: now }, drop: childNames(gather.results), wakeAt: null });
    case 'closed':
    case 'left':
    case undefined:
      return done({ wakeAt: null });
    default:
      throw gather satisfies never;
  }
};

export const decide = (gather: Gather | undefined, event: Event | Alarm, context: Context): Decision<Gather> => {
  switch (event.message) {
    case 'scatterTask':
      return begin(gather, event, context);
    case 'gatherResult':
      return hear(gather, event, context);
    case 'controlGatherCancel':
      return cancel(gather, context);
    case 'alarm':
      return wake(gather, context);
    default:
      throw event satisfies never;
  }
};

/** Children are read only for an answer that is made of all of them. */
const needsChildren = (gather: Gather | undefined, event: Event | Alarm): boolean => {
  if ((gather?.phase !== 'open' && gather?.phase !== 'early') || !hasChildren(gather.results)) return false;
  if (gather.phase === 'early') return event.message === 'scatterTask' && fitsOne(gather.results);
  if (event.message !== 'gatherResult') return fitsOne(gather.results);
  const { gather: after, by } = fold(gather, { from: '', response: responseOf(event), at: 0 });
  return by !== undefined && fitsOne(after.results);
};

export const gathers = defineEntity({
  of: gatherKind,
  accepts: [scatterTask, gatherResult, controlGatherCancel],
  id: (event) => (event.message === 'controlGatherCancel' ? event.body.request_id : event.params.request_id),
  decide,
  needsChildren,
});
