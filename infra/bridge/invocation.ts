/** One call of the function with a batch, and what may pass as its answer. */
import { sleep } from '#shared/clock.ts';
import { type Answer, answerSchema, type Batch } from '#shared/contract.ts';
import { backoff, type Dispatch, HOLD_MS } from './dispatch.ts';
import { type Attached, extend, type Held, NO_FLOOR, refreshFloor } from './held.ts';
import { InvokeError } from './ports.ts';

const FLOOR_AGE_MS = 1000;

/** Rejects with an InvokeError. After a timeout only once nothing of the invocation can land any more (rule 2). */
export const invoke = async (d: Dispatch, of: Attached, batch: readonly Held[], settle: boolean): Promise<Answer> => {
  const { fn, clock, writeMargin, metrics } = d;
  // An alarm may be the sweep's, which asks what the other consumers have settled.
  const asked = of.binding.alarms ? d.attached : [of];
  await Promise.all(asked.map((one) => clock.now() - one.floor.readAt > FLOOR_AGE_MS && refreshFloor(one, clock)));
  const permit = await d.concurrency.enter();
  const deadline = Math.min(clock.now() + fn.timeout, patience(batch));
  extend(of, batch, deadline + writeMargin, clock);
  const { consumer } = batch[0] as Held;
  const event: Batch = {
    eventSource: of.source.eventSource,
    binding: of.name,
    consumer,
    floor: of.floor.consumer === consumer ? of.floor.value : NO_FLOOR,
    ...(of.binding.alarms && { floors: Object.fromEntries(d.attached.map(({ floor }) => [floor.consumer, floor.value])) }),
    deadline: new Date(deadline).toISOString(),
    ...(settle && { settle: true as const }),
    ...(of.binding.ordered && { ordered: true as const }),
    Records: batch.map(({ delivery }) => delivery.record),
  };
  const started = clock.now();
  const raw = await withTimeout(d, d.invoker.invoke(fn.name, event), deadline + writeMargin).catch(async (error: unknown) => {
    permit.end(isOverload(error) ? 'refused' : 'answered');
    if (error instanceof InvokeError && error.kind === 'timeout') await sleep(clock, Math.max(0, deadline + writeMargin - clock.now()));
    throw error;
  });
  permit.end('answered');
  metrics.invocations.inc({ function: fn.name });
  metrics.invocationSeconds.observe({ function: fn.name }, (clock.now() - started) / 1000);
  metrics.batchSize.observe({ function: fn.name }, batch.length);
  return checkAnswer(fn.name, raw, event);
};

/** A throttle or an unreachable API is nobody's failure: the batch is held and invoked again. */
export const invokePatiently = async (d: Dispatch, of: Attached, batch: readonly Held[]): Promise<Answer> => {
  for (let n = 0; ; n++) {
    try {
      return await invoke(d, of, batch, false);
    } catch (error) {
      d.metrics.invocationErrors.inc({ function: d.fn.name, kind: error instanceof InvokeError ? error.kind : 'function_error' });
      if (!isExcused(error) || of.closing) throw error;
      if (n === 0) d.log(`${of.name}: held back and tried again: ${(error as Error).message}`);
      await sleep(d.clock, backoff(d, HOLD_MS, n));
    }
  }
};

export const isExcused = (error: unknown): boolean =>
  error instanceof InvokeError && (error.kind === 'throttled' || error.kind === 'unreachable');

/** What asks for fewer at once. */
const isOverload = (error: unknown): boolean => isExcused(error) || (error instanceof InvokeError && error.kind === 'timeout');

/** Epoch ms until which somebody waits for the answer to one of these. */
const patience = (batch: readonly Held[]): number => Math.max(...batch.map(({ delivery }) => delivery.deadline ?? Infinity));

const withTimeout = <T>({ fn, clock }: Dispatch, call: Promise<T>, until: number): Promise<T> =>
  new Promise((resolve, reject) => {
    const message = `${fn.name} did not answer within its timeout of ${fn.timeout} ms`;
    const cancel = clock.after(until - clock.now(), () => reject(new InvokeError('timeout', message)));
    call.then(resolve, reject).finally(cancel);
  });

const checkAnswer = (functionName: string, raw: unknown, event: Batch): Answer => {
  const parsed = answerSchema.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue?.path.join('.') || 'answer';
    throw new InvokeError('malformed', `${functionName} answered something else than an answer: ${where}: ${issue?.message}`);
  }
  const known = new Set(event.Records.map((record) => record.id));
  const named = [...parsed.data.batchItemFailures, ...(parsed.data.replies ?? [])].map((item) => item.itemIdentifier);
  const stranger = [...named, ...(parsed.data.tombstoned ?? [])].find((id) => !known.has(id));
  if (stranger !== undefined) throw new InvokeError('malformed', `${functionName} answered for "${stranger}", which is not in its batch`);
  return parsed.data;
};
