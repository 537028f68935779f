/**
 * The circuit breaker as a function of its state, a call and the time; after resilience4j. A result that is the very same
 * object says that nothing changed. Pure.
 *
 * While all goes well single calls are not kept, only their pace, once a window: see `observe`.
 */
import type { Circuit, CircuitState } from './circuit.ts';
import { type Durations, follow } from './response.ts';
import type { Rules } from './rules.ts';
import { addCall, assumed, type Call, inWindow, totals } from './window.ts';

/** What a batch of reports says of one service. */
export type Survey = {
  /** Epoch ms of its first and last report. */
  first: number;
  last: number;
  calls: number;
  /** Whether any call failed or was slow. */
  troubled: boolean;
  /** Of those that say how long they took. */
  durations?: Durations;
};

/** A report without an epoch may be of any call. */
export type Reported = Call & { epoch?: number | undefined; durationMs?: number | undefined };

/** Shorter batches say little of a pace. */
const MIN_SPAN_MS = 500;

const move = (circuit: Circuit, state: CircuitState, now: number, reason: string, rest: Partial<Circuit> = {}): Circuit => ({
  ...circuit,
  state,
  epoch: circuit.epoch + 1,
  permits: 0,
  until: null,
  since: now,
  reason,
  forced: false,
  renewals: 0,
  failuresInARow: 0,
  buckets: [],
  pace: null,
  ...rest,
});

/** A wait that grows each `time` (from 0), in ms. */
const growing = (first: number, time: number, rules: Rules): number =>
  Math.min(first * rules.wait_duration_multiplier ** time, Math.max(first, rules.max_wait_duration_in_open_state_ms));

export const toOpen = (circuit: Circuit, now: number, reason: string, rules: Rules): Circuit => {
  const openings = circuit.openings + 1;
  const wait = growing(rules.wait_duration_in_open_state_ms, circuit.openings, rules);
  return move(circuit, 'open', now, reason, { openings, until: now + wait });
};

export const toClosed = (circuit: Circuit, now: number, reason: string): Circuit => move(circuit, 'closed', now, reason, { openings: 0 });

export const toHalfOpen = (circuit: Circuit, now: number, reason: string, permits: number): Circuit =>
  move(circuit, 'half-open', now, reason, { permits });

/** An operator's word: open and closed stay so until the reset, half-open goes its way. */
export const force = (circuit: Circuit, state: CircuitState, now: number, reason: string, rules: Rules): Circuit => {
  if (state === 'half-open') return toHalfOpen(circuit, now, reason, rules.half_open_max_calls);
  return move(circuit, state, now, reason, { forced: true, openings: 0 });
};

/** When time changes it next, epoch ms; null: never. */
export const alarmOf = ({ state, until, since, renewals }: Circuit, rules: Rules): number | null => {
  switch (state) {
    case 'closed':
      return null;
    case 'open':
      return until;
    case 'half-open':
      return since + growing(rules.max_wait_duration_in_half_open_state_ms, renewals, rules);
    default:
      throw state satisfies never;
  }
};

/** What time alone does. A half-open circuit whose probes are not all heard of goes by those that are; by none: it asks for new ones. */
export const elapse = (circuit: Circuit, now: number, rules: Rules): Circuit => {
  const due = alarmOf(circuit, rules);
  if (due === null || now < due) return circuit;
  if (circuit.state === 'open') return toHalfOpen(circuit, now, 'the wait is over', rules.half_open_max_calls);
  if (totals(circuit.buckets).calls > 0) return judge(circuit, now, rules);
  return { ...toHalfOpen(circuit, now, 'no probe was reported', circuit.permits), renewals: circuit.renewals + 1 };
};

const judge = (circuit: Circuit, now: number, rules: Rules): Circuit => {
  const reason = exceeded(circuit.buckets, rules);
  return reason ? toOpen(circuit, now, `probes: ${reason}`, rules) : toClosed(circuit, now, 'the probes went well');
};

/** Why the calls are too bad, whatever their number; undefined: they are not. */
const exceeded = (buckets: Circuit['buckets'], rules: Rules): string | undefined => {
  const { calls, failures, slow } = totals(buckets);
  if (calls > 0 && (failures * 100) / calls >= rules.failure_rate_threshold) return `${failures} of ${calls} calls failed`;
  if (calls > 0 && (slow * 100) / calls >= rules.slow_call_rate_threshold) return `${slow} of ${calls} calls were slow`;
  return undefined;
};

/** Takes a call into account. `survey` is of the batch that it came in. */
export const observe = (circuit: Circuit, call: Reported, survey: Survey, now: number, rules: Rules): Circuit => {
  if (circuit.forced || circuit.state === 'open' || isLate(circuit, call)) return circuit;
  const isProbe = circuit.state === 'half-open';
  if (!isProbe && !survey.troubled && isQuiet(circuit, survey.first, rules)) return keepPace(circuit, survey, rules);
  const timed = timedBy(circuit, call);
  return isProbe ? probe(timed, call, now, rules) : count(timed, call, survey, now, rules);
};

const timedBy = (circuit: Circuit, { durationMs, at }: Reported): Circuit =>
  durationMs === undefined
    ? circuit
    : { ...circuit, response: follow(circuit.response, { longestMs: durationMs, meanMs: durationMs }, at) };

/** A probe may take longer than its permits last. */
const isLate = ({ epoch, renewals }: Circuit, call: Reported): boolean =>
  call.epoch !== undefined && (call.epoch > epoch || call.epoch < epoch - renewals);

const isQuiet = ({ failuresInARow, buckets }: Circuit, now: number, rules: Rules): boolean => {
  const { failures, slow } = totals(inWindow(buckets, now, rules.sliding_window_size));
  return failuresInARow === 0 && failures === 0 && slow === 0;
};

/** One change a window, by the first report of the batch. */
const keepPace = (circuit: Circuit, { first, last, calls, durations }: Survey, rules: Rules): Circuit => {
  if (circuit.pace && first - circuit.pace.at < rules.sliding_window_size * 1000) return circuit;
  const perSecond = (calls * 1000) / Math.max(last - first, MIN_SPAN_MS);
  const response = durations && { response: follow(circuit.response, durations, last) };
  return { ...circuit, buckets: [], pace: { at: first, perSecond }, ...response };
};

const count = (circuit: Circuit, call: Call, survey: Survey, now: number, rules: Rules): Circuit => {
  const size = rules.sliding_window_size;
  const before = circuit.pace ? assumed(circuit.pace, survey.first, size) : circuit.buckets;
  const buckets = addCall(before, call, size);
  const failuresInARow = call.failed ? circuit.failuresInARow + 1 : 0;
  if (failuresInARow >= rules.failure_threshold) return toOpen(circuit, now, `${failuresInARow} calls failed in a row`, rules);
  const reason = totals(buckets).calls >= rules.minimum_number_of_calls ? exceeded(buckets, rules) : undefined;
  return reason ? toOpen(circuit, now, `${reason} within ${size} s`, rules) : { ...circuit, buckets, failuresInARow, pace: null };
};

/** All probes decide together, so none leaves a window that is the time of the epoch. */
const probe = (circuit: Circuit, call: Call, now: number, rules: Rules): Circuit => {
  const after = { ...circuit, buckets: addCall(circuit.buckets, call, Infinity) };
  return totals(after.buckets).calls >= circuit.permits ? judge(after, now, rules) : after;
};
