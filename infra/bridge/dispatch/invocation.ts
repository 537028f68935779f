/** One call of the function with a batch, and what may pass as its answer. */
import { sleep } from '#shared/clock.ts';
import { type Answer, answerSchema, type Batch, type Floor } from '#shared/contract.ts';
import { InvokeError } from '../ports/ports.ts';
import { backoff, type Dispatch, HOLD_MS } from './dispatch.ts';
import { heardSince } from './heard-since.ts';
import { type Attached, extend, type Held, NO_FLOOR, refreshFloor } from './held.ts';

const FLOOR_AGE_MS = 1000;

/** An answer, and when the function was called and had answered, epoch ms. */
export type Invoked<T> = { answer: T; started: number; ended: number };

/** Rejects with an InvokeError. After a timeout only once nothing of the invocation can land any more (rule 2). */
export const invoke = async (d: Dispatch, of: Attached, batch: readonly Held[], settle: boolean): Promise<Invoked<Answer>> => {
  const { fn, clock, writeMargin } = d;
  // An alarm may be the sweep's, which asks what the other consumers have settled.
  const asked = of.binding.alarms ? d.attached : [of];
  await Promise.all(asked.map((one) => clock.now() - one.floor.readAt > FLOOR_AGE_MS && refreshFloor(one, clock)));
  const elsewhere = of.binding.alarms ? await d.elsewhere() : {};
  let over = 0;
  try {
    return await call(d, of, batch, async () => {
      const event = eventOf(d, of, batch, settle, elsewhere);
      over = Date.parse(event.deadline) + writeMargin;
      return checkAnswer(fn.name, await inTime(d, 'answer', d.invoker.invoke(fn.name, event), over), event);
    });
  } catch (error) {
    // A clock that was set back meanwhile makes it no longer.
    const left = Math.min(over - clock.now(), fn.timeout + writeMargin);
    if ((error as InvokeError).kind === 'timeout') await sleep(clock, Math.max(0, left));
    throw error;
  }
};

/** What the function is called with, from now until its deadline. */
export const eventOf = (
  d: Dispatch,
  of: Attached,
  batch: readonly Held[],
  settle: boolean,
  elsewhere: Record<string, Floor> = {},
): Batch => {
  const { fn, clock, writeMargin } = d;
  const deadline = Math.min(clock.now() + fn.timeout, settle ? Infinity : patience(batch));
  extend(of, batch, deadline + writeMargin, clock);
  const { consumer } = batch[0] as Held;
  const heard = of.binding.alarms ? heardSince(d) : undefined;
  return {
    eventSource: of.source.eventSource,
    binding: of.name,
    consumer,
    floor: of.floor.consumer === consumer ? of.floor.value : NO_FLOOR,
    ...(of.binding.alarms && {
      floors: { ...elsewhere, ...Object.fromEntries(d.attached.map(({ floor }) => [floor.consumer, floor.value])) },
    }),
    deadline: new Date(deadline).toISOString(),
    ...(heard !== undefined && { heardSince: new Date(heard).toISOString() }),
    ...(settle && { settle: true as const }),
    ...(of.binding.ordered && { ordered: true as const }),
    Records: batch.map(({ delivery }) => delivery.record),
  };
};

/** A call of the function, in its turn and counted. Rejects with an InvokeError. */
export const call = async <T>(d: Dispatch, of: Attached, batch: readonly Held[], answered: () => Promise<T>): Promise<Invoked<T>> => {
  const { fn, clock, metrics, tracing } = d;
  const turn = d.concurrency.enter();
  const permit = await turn;
  // Waited for while the binding was given up: whoever has it next calls.
  if (of.closing && turn instanceof Promise) {
    permit.end('answered');
    throw new InvokeError('throttled', `${of.name} is given up by this bridge`);
  }
  const started = clock.now();
  metrics.invocations.inc();
  of.metrics.invoked.inc(batch.length);
  of.metrics.batchSize.observe(batch.length);
  try {
    const answer = await answered();
    permit.end('answered');
    return { answer, started, ended: clock.now() };
  } catch (cause) {
    const error = cause instanceof InvokeError ? cause : new InvokeError('function_error', String(cause), { cause });
    const { kind, message } = error;
    permit.end(kind === 'timeout' || isExcused(error) ? 'refused' : 'answered');
    metrics.invocationErrors.inc(kind);
    of.metrics.failedInvoke.inc(kind, batch.length);
    const ended = clock.now();
    tracing?.invoked({ function: fn.name, binding: of.name, batch, started, ended, settled: ended, error: { kind, message } });
    throw error;
  } finally {
    metrics.invocationSeconds.observe((clock.now() - started) / 1000);
  }
};

/** A throttle or an unreachable API is nobody's failure: the batch is held and tried again, while `mayTry` says so. */
export const patiently = async <T>(
  d: Dispatch,
  of: Attached,
  batch: readonly Held[],
  attempt: () => Promise<T>,
  mayTry: () => boolean = () => true,
): Promise<T> => {
  for (let n = 0; ; n++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isExcused(error) || !mayTry() || of.closing || patience(batch) <= d.clock.now()) throw error;
      if (n === 0) d.log(`${of.name}: held back and tried again: ${(error as Error).message}`);
      await sleep(d.clock, backoff(d, HOLD_MS, n));
    }
  }
};

export const isExcused = (error: unknown): boolean =>
  error instanceof InvokeError && (error.kind === 'throttled' || error.kind === 'unreachable');

/** Epoch ms until which somebody waits for the answer to one of these. */
const patience = (batch: readonly Held[]): number => Math.max(...batch.map(({ delivery }) => delivery.deadline ?? Infinity));

/** `what`: what the function has to do until then, epoch ms. Rejects with an InvokeError where it did not. */
export const inTime = <T>({ fn, clock }: Dispatch, what: 'answer' | 'end its answer', result: Promise<T>, until: number): Promise<T> =>
  new Promise((resolve, reject) => {
    const message = `${fn.name} did not ${what} within its timeout of ${fn.timeout} ms`;
    const cancel = clock.after(until - clock.now(), () => reject(new InvokeError('timeout', message)));
    result.then(resolve, reject).finally(cancel);
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
