/** What became of a batch: acked, tried again, halved until what fails stands alone, settled, dead-lettered (rules 2, 6 and 7). */
import { sleep } from '#shared/clock.ts';
import type { Answer, ErrorBody, ItemFailure } from '#shared/contract.ts';
import { InvokeError } from '../ports/ports.ts';
import { deadLetter } from '../publish/dead-letter.ts';
import { backoff, type Dispatch, HOLD_MS } from './dispatch.ts';
import { type Attached, ack, giveBack, type Held, isDurable, type Tracked } from './held.ts';
import { type Invoked, invoke, isExcused, patiently } from './invocation.ts';
import { publishAnswer, publishHeld } from './outbound.ts';
import { runStreamed } from './streamed-reply.ts';

/** Settles every record of the batch, or gives it back. */
export const runBatch = async (d: Dispatch, of: Attached, whole: Held[]): Promise<void> => {
  if (of.binding.streamed) return runStreamed(d, of, whole);
  // Rule 9: the first half of a batch may have left one of a key behind.
  const batch = of.binding.ordered ? whole.filter((held) => !of.parked.has(held.key)) : whole;
  if (batch.length < whole.length) for (const held of whole) if (of.parked.has(held.key)) d.tryAgain(of, held, 0);
  const [first] = batch;
  if (!first) return;
  if (first.alone && !of.binding.alarms) return d.oneAtATime(() => runSuspect(d, of, first));
  return runKnown(d, of, batch);
};

/** It was delivered often without a failure seen: it may be what kills whatever touches it. */
const runSuspect = async (d: Dispatch, of: Attached, held: Held): Promise<void> => {
  if (of.closing) return giveBack(of, [held]);
  const deaths = await d.inHand.take(of.name, held.delivery.record.id);
  const message = `${deaths} processes in a row died with it`;
  try {
    if (deaths >= of.binding.retry.attempts) await settle(d, of, held, { code: 'exhausted', message });
    else await runKnown(d, of, [held]);
  } finally {
    await d.inHand.release(of.name);
  }
};

const runKnown = async (d: Dispatch, of: Attached, batch: Held[]): Promise<void> => {
  let invoked: Invoked<Answer>;
  try {
    invoked = await patiently(d, of, batch, () => invoke(d, of, batch, false));
  } catch (error) {
    if (of.closing && isExcused(error)) return giveBack(of, batch);
    return batchFailed(d, of, batch, error as InvokeError);
  }
  const { answer, started, ended } = invoked;
  const verdicts = await publishAnswer(d, of, batch, answer);
  if (!verdicts) return giveBack(of, batch);
  const now = d.clock.now();
  const { publish } = answer;
  d.tracing?.invoked({ function: d.fn.name, binding: of.name, batch, started, ended, settled: now, publish, failures: verdicts });
  for (const { reason } of verdicts.values()) of.metrics.failedInvoke.inc(reason?.code ?? FAILED.code);
  const failed: [Held, ItemFailure][] = [];
  for (const held of batch) {
    const failure = verdicts.get(held.delivery.record.id);
    if (failure) failed.push([held, failure]);
    else ack(of, held, now);
  }
  if (failed.length > 0 && !isDurable(of)) await unstored(d, of, failed);
  else
    for (const [held, failure] of failed) {
      if (isHeldBack(of, held, failure)) d.tryAgain(of, held, 0);
      else await recordFailed(d, of, held, failure);
    }
};

/** Rule 9: it stands behind one of its key that failed in this batch. */
const isHeldBack = (of: Attached, held: Held, failure: ItemFailure): boolean =>
  of.binding.ordered === true && !failure.deadLetter && (of.parked.has(held.key) || failure.reason?.code === 'held_back');

/** The batch is halved until what fails stands alone. */
const batchFailed = async (d: Dispatch, of: Attached, batch: Held[], error: InvokeError): Promise<void> => {
  const code = error instanceof InvokeError ? error.kind : 'function_error';
  const failureOf = ({ delivery }: Held): ItemFailure => ({
    itemIdentifier: delivery.record.id,
    ...(code === 'too_large' && { deadLetter: true as const }),
    reason: { code, message: error.message },
  });
  if (!isDurable(of))
    return unstored(
      d,
      of,
      batch.map((held) => [held, failureOf(held)]),
    );
  if (batch.length > 1) {
    const half = Math.ceil(batch.length / 2);
    await runBatch(d, of, batch.slice(0, half));
    // Rule 9: what failed in the first half has been given back, and is to come first.
    if (of.binding.ordered && of.closing) return giveBack(of, batch.slice(half));
    await runBatch(d, of, batch.slice(half));
    return;
  }
  const [held] = batch as [Held];
  await recordFailed(d, of, held, failureOf(held));
};

/** Where the function gave no reason. */
const FAILED: ErrorBody = { code: 'failed', message: 'the function could not process it' };

const recordFailed = async (d: Dispatch, of: Attached, held: Held, failure: ItemFailure): Promise<void> => {
  const { delivery } = held;
  const tracked = held.tracked as Tracked;
  const reason = failure.reason ?? FAILED;
  tracked.failures++;
  tracked.unknown ||= mayHaveActed(failure);
  const { attempts, backoff: delays, maxAge } = of.binding.retry;
  const tooOld = d.clock.now() - Date.parse(delivery.record.timestamp) > maxAge;
  const last = failure.deadLetter || tracked.failures >= attempts || tooOld;
  const isAlarm = of.binding.alarms === true;
  // Rule 7.
  if (isAlarm && last) d.log(`${of.name}: alarm ${delivery.record.subject} fails and is tried again: ${reason.message}`);
  if (!last || isAlarm) {
    d.tryAgain(of, held, failure.retryAfterMs ?? backoff(d, delays, tracked.failures - 1));
    return;
  }
  if (tracked.unknown) await settle(d, of, held, reason);
  else await bury(d, of, held, reason);
};

/** Rule 6. */
const settle = async (d: Dispatch, of: Attached, held: Held, reason: ErrorBody): Promise<void> => {
  const { id } = held.delivery.record;
  let answer: Answer;
  try {
    ({ answer } = await invoke(d, of, [held], true));
  } catch (error) {
    d.log(`${of.name}: ${held.delivery.record.subject} could not be settled: ${String(error)}`);
    return d.tryAgain(of, held, backoff(d, of.binding.retry.backoff, held.tracked?.failures ?? 0));
  }
  if (answer.tombstoned?.includes(id)) return bury(d, of, held, reason);
  if (answer.batchItemFailures.length > 0) return d.tryAgain(of, held, backoff(d, of.binding.retry.backoff, held.tracked?.failures ?? 0));
  const verdicts = await publishAnswer(d, of, [held], answer);
  if (!verdicts) return giveBack(of, [held]);
  if (verdicts.has(id)) return bury(d, of, held, reason);
  ack(of, held, d.clock.now());
};

/** What the function refuses it has not applied: a write that failed, or whose answer was lost, may land. */
const mayHaveActed = (failure: ItemFailure): boolean => !failure.deadLetter;

/**
 * What no stream holds is never decided again. A requester is told at once, and what can never be read is kept for people;
 * what may have acted is asked for later, and the lane does not wait for that.
 */
const unstored = async (d: Dispatch, of: Attached, failed: [Held, ItemFailure][]): Promise<void> => {
  for (const [{ delivery }, { reason = FAILED }] of failed) delivery.respond?.({ error: reason });
  const unknown = failed.filter(([, failure]) => mayHaveActed(failure)).map(([held]) => held);
  for (const [held, { deadLetter, reason = FAILED }] of failed) {
    if (!deadLetter) continue;
    if (held.delivery.respond) ack(of, held, d.clock.now());
    else await bury(d, of, held, reason);
  }
  if (unknown.length === 0) return;
  askLater(d, of, unknown)
    .catch((error) => d.log(`${of.name}: ${unknown.length} messages are given up on: ${String(error)}`))
    .finally(() => {
      for (const held of unknown) {
        if (!held.delivery.respond) of.metrics.dropped.inc('failed');
        ack(of, held, d.clock.now());
      }
    });
};

/** What they caused goes out all the same, once nothing of the failed invocation can land any more. */
const askLater = async (d: Dispatch, of: Attached, batch: Held[]): Promise<void> => {
  await sleep(d.clock, d.fn.timeout + d.writeMargin);
  for (let n = 0; n < of.binding.retry.attempts && !of.closing; n++) {
    if (n > 0) await sleep(d.clock, backoff(d, HOLD_MS, n));
    try {
      const { answer } = await invoke(d, of, batch, true);
      await publishAnswer(d, of, batch, answer);
      if (answer.batchItemFailures.length === 0) return;
    } catch (error) {
      d.log(`${of.name}: what ${batch.length} messages caused is not known: ${String(error)}`);
    }
  }
};

const bury = async (d: Dispatch, of: Attached, held: Held, reason: ErrorBody): Promise<void> => {
  const { record } = held.delivery;
  const [stream = ''] = held.consumer.split('@');
  const facts = {
    record,
    stream,
    consumer: held.consumer,
    functionName: d.fn.name,
    attempts: Math.max(held.tracked?.failures ?? 0, 1),
    firstAt: held.tracked?.firstAt ?? d.clock.now(),
    lastAt: d.clock.now(),
    reason,
  };
  // What fails in the dead-letter processor is held: a dead letter has no dead letter.
  if (record.subject.startsWith('dlq.')) {
    d.log(`${of.name}: dead letter ${record.id} cannot be processed and is held: ${reason.message}`);
    return d.tryAgain(of, held, 60_000);
  }
  if (!(await publishHeld(d, deadLetter(facts, d.publisher.maxBytes()), of, [held]))) return giveBack(of, [held]);
  of.metrics.onFailureDestinationDelivered.inc(reason.code);
  d.log(`${of.name}: ${record.subject} is a dead letter: ${reason.message}`);
  ack(of, held, d.clock.now());
};
