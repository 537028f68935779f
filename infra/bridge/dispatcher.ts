/**
 * A function's messages, from delivery to ack: the part "The bridge" of docs/protocol.md (rule numbers below are its
 * numbers). It knows no NATS and no Lambda: sources, invoker and publisher are ports.
 */
import { type Clock, sleep } from '#shared/clock.ts';
import type { Answer, Batch, BatchRecord, ErrorBody, Floor, ItemFailure } from '#shared/contract.ts';
import { answerSchema } from '#shared/contract.ts';
import { readEnvelope } from '#shared/messages/read.ts';
import { matchesFilter } from '#shared/subjects.ts';
import { deadLetter } from './dead-letter.ts';
import { createLanes, type Queue, type Queueable } from './lanes.ts';
import type { Binding, FunctionEntry } from './manifest.ts';
import type { BridgeMetrics } from './metrics.ts';
import { type Delivery, InvokeError, type Invoker, type Outgoing, PublishError, type Publisher, type Source } from './ports.ts';

/** The newest message of a binding may be so many sequences ahead of its oldest unsettled one (rule 8). */
export const MAX_SPAN = 10_000;
/** Payload and header bytes that a function may have in the bridge. */
const MAX_HELD_BYTES = 256 * 1024 * 1024;
/** Lambda takes 6 MB; the records' JSON around the payloads needs room. */
const MAX_BATCH_BYTES = 5_000_000;
const FLOOR_AGE_MS = 1000;
const NO_FLOOR: Floor = { sequence: 0, asOf: new Date(0).toISOString() };
const HOLD_MS = [100, 250, 500, 1000, 2000, 5000];
/** The function that published a message says so, so that it does not receive its own output. */
export const PUBLISHED_BY = 'X-Published-By';

export type DispatcherOptions = {
  fn: FunctionEntry;
  invoker: Invoker;
  publisher: Publisher;
  clock: Clock;
  /** 0 to 1, for jitter. */
  random: () => number;
  /** No SDK call of a function outlives its deadline by more, ms. */
  writeMargin: number;
  metrics: BridgeMetrics;
  log: (sentence: string) => void;
};

export type Dispatcher = {
  attach(binding: Binding, source: Source): void;
  /** Takes nothing more, finishes what is in flight, gives the rest back. */
  drain(): Promise<void>;
  /** A sentence while outputs cannot be published. */
  blocked(): string | undefined;
};

/** A message that was delivered and is not settled yet; it stays while the server waits to deliver it again. */
type Tracked = {
  sequence: number;
  failures: number;
  /** An attempt ended without an answer: it may have acted. */
  unknown: boolean;
  firstAt: number;
  held: Held | undefined;
};

/** `consumer`: the identity that it was delivered under; a stream made anew has another. */
type Held = Queueable & { delivery: Delivery; consumer: string; tracked: Tracked | undefined };

type Attached = Queue & {
  binding: Binding;
  source: Source;
  floor: { consumer: string; value: Floor; readAt: number; reading: Promise<void> | undefined };
  /** By record id, oldest first. */
  unsettled: Map<string, Tracked>;
  /** The youngest message seen. */
  newest: { sequence: number; timestamp: string };
  heldCount: number;
  heldBytes: number;
  /** `fold: latest`: what waits, by key. */
  folding: Map<string, Held>;
  wake: (() => void) | undefined;
  cancelKeepAlive: (() => void) | undefined;
};

/** An output on its way, and the record that decided it. */
type Caused = Outgoing & { cause: string };

export const createDispatcher = (options: DispatcherOptions): Dispatcher => {
  const { fn, invoker, publisher, clock, random, writeMargin, metrics, log } = options;
  const attached: Attached[] = [];
  let draining = false;
  let blockedBy: string | undefined;

  // ---- taking in -----------------------------------------------------------------------------------------------------

  const keyOf = (binding: Binding, record: BatchRecord): string => {
    if (!binding.groupBy) return record.id;
    if ('token' in binding.groupBy) return record.subject.split('.')[binding.groupBy.token - 1] ?? record.id;
    const value = (readEnvelope(record).body as Record<string, unknown> | undefined)?.[binding.groupBy.field];
    return typeof value === 'string' ? value : record.id;
  };

  const deliver = (to: Attached, delivery: Delivery): void => {
    const { record } = delivery;
    if (!fn.own && record.headers[PUBLISHED_BY]?.[0] === fn.name) {
      delivery.ack();
      return;
    }
    const durable = to.source.eventSource === 'nats:jetstream';
    let tracked: Tracked | undefined;
    if (durable) {
      tracked = to.unsettled.get(record.id);
      // Rule 1.
      if (tracked?.held) {
        tracked.held.delivery = delivery;
        metrics.redelivered.inc({ binding: to.name });
        return;
      }
      if (!tracked) {
        tracked = { sequence: record.sequence, failures: 0, unknown: false, firstAt: clock.now(), held: undefined };
        to.unsettled.set(record.id, tracked);
      }
      if (record.sequence <= to.newest.sequence && record.timestamp > to.newest.timestamp) forgetTail(to, record);
      else if (record.sequence > to.newest.sequence) to.newest = record;
    }
    const key = keyOf(to.binding, record);
    const folded = to.folding.get(key);
    if (folded) {
      foldInto(to, folded, delivery);
      return;
    }
    // A delivery count above the attempts without a failure seen: it may be what kills whatever touches it.
    const alone = durable && record.deliveries > to.binding.retry.attempts && tracked?.failures === 0;
    const held: Held = { delivery, consumer: to.source.consumer, tracked, key, bytes: delivery.bytes, queuedAt: clock.now(), alone };
    if (tracked) tracked.held = held;
    if (to.binding.source.kind === 'core' && to.binding.source.fold) to.folding.set(key, held);
    to.heldCount++;
    to.heldBytes += held.bytes;
    metrics.received.inc({ binding: to.name });
    lanes.offer(to, held);
  };

  /**
   * The stream lost its tail and uses sequences again: what is said of an old message would settle a new one, so nothing is.
   * Those that the stream still has come again.
   */
  const forgetTail = (of: Attached, record: BatchRecord): void => {
    of.newest = record;
    for (const { held } of of.unsettled.values()) if (held) held.delivery = { ...held.delivery, ack() {}, nak() {}, working() {} };
  };

  const foldInto = (to: Attached, held: Held, delivery: Delivery): void => {
    const before = held.delivery.record;
    const { count, first } = before.folded ?? { count: 1, first: before.timestamp };
    delivery.record.folded = { count: count + 1, first, last: delivery.record.timestamp };
    held.delivery.ack();
    held.delivery = delivery;
    to.heldBytes += delivery.bytes - held.bytes;
    held.bytes = delivery.bytes;
    metrics.received.inc({ binding: to.name });
  };

  /** Rule 8, and the bound on what is held. */
  const room = (to: Attached): number => {
    const oldest = to.unsettled.values().next().value?.sequence;
    const span = oldest === undefined ? MAX_SPAN : MAX_SPAN - (to.newest.sequence - oldest);
    const bytes = attached.reduce((sum, other) => sum + other.heldBytes, 0) < MAX_HELD_BYTES;
    return draining || !bytes ? 0 : Math.max(0, Math.min(span, MAX_SPAN - to.heldCount));
  };

  // ---- letting go ----------------------------------------------------------------------------------------------------

  /** The bridge holds it no longer. `settled`: nobody will see it again. */
  const release = (from: Attached, held: Held, settled: boolean): void => {
    from.heldCount--;
    from.heldBytes -= held.bytes;
    if (held.tracked) held.tracked.held = undefined;
    if (settled) from.unsettled.delete(held.delivery.record.id);
    from.wake?.();
  };

  const ack = (from: Attached, held: Held): void => {
    held.delivery.ack();
    release(from, held, true);
  };

  const nak = (from: Attached, held: Held, delayMs: number): void => {
    held.delivery.nak(delayMs);
    release(from, held, from.source.eventSource !== 'nats:jetstream');
  };

  // ---- invoking ------------------------------------------------------------------------------------------------------

  const refreshFloor = (of: Attached): Promise<void> => {
    const { consumer } = of.source;
    of.floor.reading ??= of.source
      .readFloor()
      .then((value) => {
        of.floor = { consumer, value, readAt: clock.now(), reading: undefined };
        for (const [id, tracked] of of.unsettled) {
          if (tracked.sequence > value.sequence) break;
          if (!tracked.held) of.unsettled.delete(id);
        }
      })
      .catch(() => {
        of.floor.reading = undefined;
      });
    return of.floor.reading;
  };

  /** The ack wait must outlast the invocation and its writes (rule 2). */
  const extend = (of: Attached, batch: readonly Held[], until: number): void => {
    const { ackWait } = of.source;
    if (!ackWait) return;
    for (const { delivery } of batch) {
      if (delivery.receivedAt + ackWait >= until) continue;
      delivery.working();
      delivery.receivedAt = clock.now();
    }
  };

  /** What waits in a lane stays ours, by one timer a binding. */
  const keepAlive = (of: Attached): void => {
    const { ackWait } = of.source;
    if (!ackWait) return;
    of.cancelKeepAlive = clock.after(ackWait / 4, () => {
      const held = [...of.unsettled.values()].flatMap((tracked) => tracked.held ?? []);
      extend(of, held, clock.now() + ackWait / 2);
      keepAlive(of);
    });
  };

  const invoke = async (of: Attached, batch: readonly Held[], settle: boolean): Promise<Answer> => {
    // An alarm may be the sweep's, which asks what the other consumers have settled.
    const asked = of.binding.alarms ? attached : [of];
    await Promise.all(asked.map((one) => clock.now() - one.floor.readAt > FLOOR_AGE_MS && refreshFloor(one)));
    const deadline = clock.now() + fn.timeout;
    extend(of, batch, deadline + writeMargin);
    const { consumer } = batch[0] as Held;
    const event: Batch = {
      eventSource: of.source.eventSource,
      binding: of.name,
      consumer,
      floor: of.floor.consumer === consumer ? of.floor.value : NO_FLOOR,
      ...(of.binding.alarms && { floors: Object.fromEntries(attached.map(({ floor }) => [floor.consumer, floor.value])) }),
      deadline: new Date(deadline).toISOString(),
      ...(settle && { settle: true as const }),
      Records: batch.map(({ delivery }) => delivery.record),
    };
    const started = clock.now();
    const raw = await withTimeout(invoker.invoke(fn.name, event), deadline + writeMargin).catch(async (error: unknown) => {
      // It may still be at work: nobody touches these records before it has ended for certain (rule 2).
      if (error instanceof InvokeError && error.kind === 'timeout') await sleep(clock, Math.max(0, deadline + writeMargin - clock.now()));
      throw error;
    });
    metrics.invocations.inc({ function: fn.name });
    metrics.invocationSeconds.observe({ function: fn.name }, (clock.now() - started) / 1000);
    metrics.batchSize.observe({ function: fn.name }, batch.length);
    return checkAnswer(raw, event);
  };

  const withTimeout = <T>(call: Promise<T>, until: number): Promise<T> =>
    new Promise((resolve, reject) => {
      const message = `${fn.name} did not answer within its timeout of ${fn.timeout} ms`;
      const cancel = clock.after(until - clock.now(), () => reject(new InvokeError('timeout', message)));
      call.then(resolve, reject).finally(cancel);
    });

  const checkAnswer = (raw: unknown, event: Batch): Answer => {
    const parsed = answerSchema.safeParse(raw);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw new InvokeError(
        'malformed',
        `${fn.name} answered something else than an answer: ${issue?.path.join('.') || 'answer'}: ${issue?.message}`,
      );
    }
    const known = new Set(event.Records.map((record) => record.id));
    const named = [...parsed.data.batchItemFailures, ...(parsed.data.replies ?? [])].map((item) => item.itemIdentifier);
    const stranger = [...named, ...(parsed.data.tombstoned ?? [])].find((id) => !known.has(id));
    if (stranger !== undefined) throw new InvokeError('malformed', `${fn.name} answered for "${stranger}", which is not in its batch`);
    return parsed.data;
  };

  // ---- a batch -------------------------------------------------------------------------------------------------------

  const run = async (of: Attached, batch: Held[]): Promise<void> => {
    for (const held of batch) if (of.folding.get(held.key) === held) of.folding.delete(held.key);
    try {
      for (const same of Map.groupBy(batch, ({ consumer }) => consumer).values()) await runBatch(of, same);
    } catch (error) {
      // A fault of the bridge itself: nothing was said of these messages, so they come again.
      log(`${of.name}: ${String(error)}`);
      for (const held of batch) if (held.tracked?.held === held) nak(of, held, 1000);
    }
    // Known before the next batch needs it, without making it wait.
    if (of.source.eventSource === 'nats:jetstream') void refreshFloor(of);
  };

  /** It was delivered so often without a failure seen that it must be what kills whatever touches it. */
  const isExhausted = (of: Attached, { delivery }: Held): boolean =>
    !of.binding.alarms && delivery.record.deliveries > 3 * of.binding.retry.attempts;

  const runBatch = async (of: Attached, batch: Held[]): Promise<void> => {
    const [first] = batch as [Held];
    if (first.alone && isExhausted(of, first))
      return settle(of, first, {
        code: 'exhausted',
        message: `it was delivered ${first.delivery.record.deliveries} times and never answered`,
      });
    let answer: Answer;
    try {
      answer = await invoked(of, batch);
    } catch (error) {
      if (draining && isExcused(error)) return giveBack(of, batch);
      return batchFailed(of, batch, error as InvokeError);
    }
    const verdicts = await publishAnswer(of, batch, answer);
    if (!verdicts) return giveBack(of, batch);
    const failed: [Held, ItemFailure][] = [];
    for (const held of batch) {
      const failure = verdicts.get(held.delivery.record.id);
      if (failure) failed.push([held, failure]);
      else ack(of, held);
    }
    if (failed.length > 0 && of.source.eventSource !== 'nats:jetstream') void unstoredFailed(of, failed);
    else for (const [held, failure] of failed) await recordFailed(of, held, failure);
  };

  const giveBack = (of: Attached, batch: Held[]): void => {
    for (const held of batch) nak(of, held, 0);
  };

  const isExcused = (error: unknown): boolean =>
    error instanceof InvokeError && (error.kind === 'throttled' || error.kind === 'unreachable');

  /** A throttle or an unreachable API is nobody's failure: the batch is held and tried again. */
  const invoked = async (of: Attached, batch: Held[]): Promise<Answer> => {
    for (let n = 0; ; n++) {
      try {
        return await invoke(of, batch, false);
      } catch (error) {
        metrics.invocationErrors.inc({ function: fn.name, kind: error instanceof InvokeError ? error.kind : 'function_error' });
        if (!isExcused(error) || draining) throw error;
        await sleep(clock, backoff(HOLD_MS, n));
      }
    }
  };

  /** The batch is halved until what fails stands alone. */
  const batchFailed = async (of: Attached, batch: Held[], error: InvokeError): Promise<void> => {
    const code = error instanceof InvokeError ? error.kind : 'function_error';
    const failureOf = ({ delivery }: Held): ItemFailure => ({
      itemIdentifier: delivery.record.id,
      reason: { code, message: error.message },
    });
    if (of.source.eventSource !== 'nats:jetstream')
      return void unstoredFailed(
        of,
        batch.map((held) => [held, failureOf(held)]),
      );
    if (batch.length > 1) {
      const half = Math.ceil(batch.length / 2);
      await runBatch(of, batch.slice(0, half));
      await runBatch(of, batch.slice(half));
      return;
    }
    const [held] = batch as [Held];
    await recordFailed(of, held, failureOf(held));
  };

  const reasonOf = (of: Attached, failure: ItemFailure): ErrorBody => {
    const reason = failure.reason ?? { code: 'failed', message: `${fn.name} could not process it` };
    metrics.failed.inc({ binding: of.name, code: reason.code });
    return reason;
  };

  const recordFailed = async (of: Attached, held: Held, failure: ItemFailure): Promise<void> => {
    const { delivery } = held;
    const tracked = held.tracked as Tracked;
    const reason = reasonOf(of, failure);
    tracked.failures++;
    tracked.unknown ||= mayHaveActed(failure);
    const { attempts, backoff: delays, maxAge } = of.binding.retry;
    const exhausted = isExhausted(of, held);
    const tooOld = clock.now() - Date.parse(delivery.record.timestamp) > maxAge;
    const last = failure.deadLetter || tracked.failures >= attempts || exhausted || tooOld;
    const isAlarm = of.binding.alarms === true;
    // Rule 7.
    if (isAlarm && last) log(`${of.name}: alarm ${delivery.record.subject} fails and is tried again: ${reason.message}`);
    if (!last || isAlarm) {
      nak(of, held, failure.retryAfterMs ?? backoff(delays, tracked.failures - 1));
      return;
    }
    const why =
      exhausted && !failure.deadLetter
        ? { code: 'exhausted', message: `delivered ${delivery.record.deliveries} times; ${reason.message}` }
        : reason;
    if (tracked.unknown) await settle(of, held, why);
    else await bury(of, held, why);
  };

  /** Rule 6. */
  const settle = async (of: Attached, held: Held, reason: ErrorBody): Promise<void> => {
    const { id } = held.delivery.record;
    let answer: Answer;
    try {
      answer = await invoke(of, [held], true);
    } catch (error) {
      log(`${of.name}: ${held.delivery.record.subject} could not be settled: ${String(error)}`);
      return nak(of, held, backoff(of.binding.retry.backoff, held.tracked?.failures ?? 0));
    }
    if (answer.tombstoned?.includes(id)) return bury(of, held, reason);
    if (answer.batchItemFailures.length > 0) return nak(of, held, backoff(of.binding.retry.backoff, held.tracked?.failures ?? 0));
    const verdicts = await publishAnswer(of, [held], answer);
    if (!verdicts) return giveBack(of, [held]);
    if (verdicts.has(id)) return bury(of, held, reason);
    ack(of, held);
  };

  /** Only a refusal says that nothing was done: a write that failed, or whose answer was lost, may land. */
  const mayHaveActed = (failure: ItemFailure): boolean => !failure.deadLetter;

  /**
   * What no stream holds is never decided again, but what it caused goes out all the same: it is asked for once nothing
   * can land any more. The lane does not wait for it.
   */
  const unstoredFailed = async (of: Attached, failed: [Held, ItemFailure][]): Promise<void> => {
    for (const [{ delivery }, failure] of failed) delivery.respond?.({ error: reasonOf(of, failure) });
    const batch = failed.filter(([, failure]) => mayHaveActed(failure)).map(([held]) => held);
    if (batch.length > 0) await sleep(clock, fn.timeout + writeMargin);
    for (let n = 0; batch.length > 0 && n < of.binding.retry.attempts && !draining; n++) {
      if (n > 0) await sleep(clock, backoff(HOLD_MS, n));
      try {
        const answer = await invoke(of, batch, true);
        await publishAnswer(of, batch, answer);
        if (answer.batchItemFailures.length === 0) break;
      } catch (error) {
        log(`${of.name}: what ${batch.length} messages caused is not known: ${String(error)}`);
      }
    }
    for (const [held] of failed) ack(of, held);
  };

  const bury = async (of: Attached, held: Held, reason: ErrorBody): Promise<void> => {
    const { record } = held.delivery;
    const [stream = ''] = held.consumer.split('@');
    const facts = {
      record,
      stream,
      consumer: held.consumer,
      functionName: fn.name,
      attempts: Math.max(held.tracked?.failures ?? 0, 1),
      firstAt: held.tracked?.firstAt ?? clock.now(),
      lastAt: clock.now(),
      reason,
    };
    // What fails in the dead-letter processor is held: a dead letter has no dead letter.
    if (record.subject.startsWith('dlq.')) {
      log(`${of.name}: dead letter ${record.id} cannot be processed and is held: ${reason.message}`);
      return nak(of, held, 60_000);
    }
    if (!(await publishHeld(deadLetter(facts, publisher.maxBytes()), of, [held]))) return giveBack(of, [held]);
    metrics.deadLettered.inc({ binding: of.name, code: reason.code });
    ack(of, held);
  };

  // ---- publishing ----------------------------------------------------------------------------------------------------

  const mayPublish = (subject: string): boolean =>
    subject.startsWith('_INBOX.') || fn.publishes.some((filter) => matchesFilter(filter, subject));

  /** Rule 4. */
  const toOutgoing = (outputs: Answer['publish']): Caused[] => {
    const indexes = new Map<string, number>();
    return outputs.map((output) => {
      const index = indexes.get(output.cause) ?? 0;
      indexes.set(output.cause, index + 1);
      return {
        cause: output.cause,
        subject: output.subject,
        data: output.encoding === 'base64' ? Buffer.from(output.data, 'base64') : output.data,
        // A replay keeps the name of whoever published first.
        headers: { [PUBLISHED_BY]: [fn.name], ...output.headers },
        messageId: `${fn.name}.1:${output.cause}:${index}`,
        ...(output.reply && { reply: output.reply }),
      };
    });
  };

  /** Rule 3: outputs, timers and replies go out before anything is acked. Undefined: the bridge drains and they did not. */
  const publishAnswer = async (of: Attached, batch: readonly Held[], answer: Answer): Promise<Map<string, ItemFailure> | undefined> => {
    const verdicts = new Map<string, ItemFailure>();
    for (const failure of answer.batchItemFailures) verdicts.set(failure.itemIdentifier, failure);
    for (const id of answer.tombstoned ?? []) {
      const reason = { code: 'tombstoned', message: 'it was given up on before, and may not act any more' };
      verdicts.set(id, { itemIdentifier: id, deadLetter: true, reason });
    }
    for (const { cause, subject } of answer.publish) {
      if (mayPublish(subject) || !batch.some(({ delivery }) => delivery.record.id === cause)) continue;
      const reason = {
        code: 'publish_refused',
        message: `${fn.name} may not publish to ${subject}: add it to 'publishes' of the function`,
      };
      verdicts.set(cause, { itemIdentifier: cause, deadLetter: true, reason });
    }
    const outgoing = toOutgoing(answer.publish).filter(({ subject }) => mayPublish(subject));
    const impossible = outgoing.length === 0 ? new Map<string, PublishError>() : await publishByCause(outgoing, of, batch);
    const timed = answer.timers.length === 0 || (await holdUntil(() => publisher.setTimers(fn.name, answer.timers), of, batch));
    if (!impossible || !timed) return undefined;
    for (const [cause, error] of impossible) {
      const reason = { code: 'publish_failed', message: error.message };
      verdicts.set(cause, { itemIdentifier: cause, deadLetter: true, reason });
    }
    metrics.published.inc({ function: fn.name }, outgoing.length);
    for (const reply of answer.replies ?? []) {
      const held = batch.find(({ delivery }) => delivery.record.id === reply.itemIdentifier);
      if (reply.error) held?.delivery.respond?.({ error: reply.error });
      else held?.delivery.respond?.({ data: reply.data ?? '', ...(reply.headers && { headers: reply.headers }) });
    }
    return verdicts;
  };

  /** All at once; if a message among them can never be published, record by record. Answers the records whose can not. */
  const publishByCause = async (
    outgoing: readonly Caused[],
    of: Attached,
    batch: readonly Held[],
  ): Promise<Map<string, PublishError> | undefined> => {
    const impossible = new Map<string, PublishError>();
    const attempt = async (messages: readonly Caused[], onImpossible: (error: PublishError) => unknown): Promise<boolean> => {
      try {
        return await publishHeld(messages, of, batch);
      } catch (error) {
        await onImpossible(error as PublishError);
        return !draining;
      }
    };
    const byCause = Map.groupBy(outgoing, ({ cause }) => cause);
    const out = await attempt(outgoing, async () => {
      for (const [cause, messages] of byCause) await attempt(messages, (error) => impossible.set(cause, error));
    });
    return out ? impossible : undefined;
  };

  const publishHeld = (outgoing: readonly Outgoing[], of: Attached, batch: readonly Held[]): Promise<boolean> =>
    holdUntil(() => publisher.publish(outgoing), of, batch);

  /** A full or missing stream holds the input back rather than losing the output. False: the bridge drains. Throws what no retry can mend. */
  const holdUntil = async (attempt: () => Promise<void>, of: Attached, batch: readonly Held[]): Promise<boolean> => {
    for (let n = 0; ; n++) {
      try {
        await attempt();
        if (n > 0) blockedBy = undefined;
        return true;
      } catch (error) {
        metrics.publishErrors.inc({ function: fn.name });
        if (error instanceof PublishError && !error.retryable) throw error;
        const why = `${fn.name} cannot publish: ${error instanceof PublishError ? error.message : String(error)}`;
        if (blockedBy !== why) log(why);
        blockedBy = why;
        if (draining) return false;
        const wait = backoff(HOLD_MS, n);
        extend(of, batch, clock.now() + wait + (of.source.ackWait ?? 0) / 2);
        await sleep(clock, wait);
      }
    }
  };

  /** The last delay repeats; up to a fifth of it is drawn, so that what failed together does not come back together. */
  const backoff = (delays: readonly number[], n: number): number => {
    const delay = delays[Math.min(n, delays.length - 1)] ?? 1000;
    return Math.round(delay * (1 - 0.2 * random()));
  };

  const lanes = createLanes<Attached, Held>({ count: fn.concurrency, clock, run });

  return {
    attach: (binding, source) => {
      const to: Attached = {
        name: binding.name,
        batching: { size: binding.batchSize, window: binding.batchWindow, bytes: MAX_BATCH_BYTES },
        binding,
        source,
        floor: { consumer: source.consumer, value: NO_FLOOR, readAt: -Infinity, reading: undefined },
        unsettled: new Map(),
        newest: { sequence: 0, timestamp: '' },
        heldCount: 0,
        heldBytes: 0,
        folding: new Map(),
        wake: undefined,
        cancelKeepAlive: undefined,
      };
      attached.push(to);
      keepAlive(to);
      metrics.held.watch(binding.name, () => to.heldCount);
      source.start({
        deliver: (delivery) => deliver(to, delivery),
        room: () => room(to),
        roomed: () =>
          new Promise((resolve) => {
            to.wake = resolve;
          }),
      });
    },
    drain: async () => {
      draining = true;
      for (const to of attached) to.wake?.();
      await Promise.all(attached.map(({ source }) => source.stop()));
      const left = await lanes.close();
      for (const to of attached) to.cancelKeepAlive?.();
      for (const held of left) {
        held.delivery.respond?.({ error: { code: 'draining', message: 'this bridge is shutting down: ask again' } });
        held.delivery.nak(0);
      }
    },
    blocked: () => blockedBy,
  };
};
