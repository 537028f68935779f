/** What an answer asks for goes out: outputs, alarms, replies (rules 3 to 5), and dead letters. */
import { sleep } from '#shared/clock.ts';
import { type Answer, type ItemFailure, PUBLISHED_BY } from '#shared/contract.ts';
import { epochOf } from '#shared/entity/epoch.ts';
import { matchesFilter } from '#shared/subjects.ts';
import { type Outgoing, PublishError } from '../ports/ports.ts';
import { backoff, type Dispatch, HOLD_MS } from './dispatch.ts';
import { type Attached, extend, type Held } from './held.ts';

/** An output on its way, and the record that decided it. */
type Caused = Outgoing & { cause: string };

/** Where answers are waited for: inboxes, and what the server calls them where a request came from another account. */
const ANSWERS = ['_INBOX.', '_R_.'];

const mayPublish = ({ fn }: Dispatch, subject: string): boolean =>
  ANSWERS.some((prefix) => subject.startsWith(prefix)) || fn.publishes.some((filter) => matchesFilter(filter, subject));

/** Rule 4. */
const toOutgoing = ({ fn }: Dispatch, batch: readonly Held[], outputs: Answer['publish']): Caused[] => {
  const indexes = new Map<string, number>();
  const epoch = epochOf(batch[0]?.consumer ?? '');
  const first = new Set(batch.flatMap(({ delivery: { record } }) => (record.deliveries === 1 ? record.id : [])));
  return outputs.map((output) => {
    const index = indexes.get(output.cause) ?? 0;
    indexes.set(output.cause, index + 1);
    return {
      cause: output.cause,
      subject: output.subject,
      data: output.encoding === 'base64' ? Buffer.from(output.data, 'base64') : output.data,
      // Clients hand the headers of a request back with the answer (nats-py), which is not the function's own.
      headers: output.reply ? { ...output.headers } : { ...output.headers, [PUBLISHED_BY]: [fn.name] },
      messageId: `${fn.name}.${output.epoch ?? epoch}:${output.cause}:${index}`,
      ...((!first.has(output.cause) || output.epoch) && { again: true as const }),
      ...(output.reply && { reply: output.reply }),
    };
  });
};

/** Rule 3: outputs, timers and replies go out before anything is acked. Undefined: the bridge drains and they did not. */
export const publishAnswer = async (
  d: Dispatch,
  of: Attached,
  batch: readonly Held[],
  answer: Answer,
): Promise<Map<string, ItemFailure> | undefined> => {
  const { fn, publisher, metrics } = d;
  const verdicts = new Map<string, ItemFailure>();
  for (const failure of answer.batchItemFailures) verdicts.set(failure.itemIdentifier, failure);
  for (const id of answer.tombstoned ?? []) {
    const reason = { code: 'tombstoned', message: 'it was given up on before, and may not act any more' };
    verdicts.set(id, { itemIdentifier: id, deadLetter: true, reason });
  }
  for (const { cause, subject } of answer.publish) {
    if (mayPublish(d, subject) || !batch.some(({ delivery }) => delivery.record.id === cause)) continue;
    const reason = {
      code: 'publish_refused',
      message: `${fn.name} may not publish to ${subject}: add it to 'publishes' of the function`,
    };
    verdicts.set(cause, { itemIdentifier: cause, deadLetter: true, reason });
  }
  const outgoing = toOutgoing(d, batch, answer.publish).filter(({ subject }) => mayPublish(d, subject));
  const impossible = outgoing.length === 0 ? new Map<string, PublishError>() : await publishByCause(d, outgoing, of, batch);
  const timed = answer.timers.length === 0 || (await holdUntil(d, () => publisher.setTimers(fn.name, answer.timers), of, batch));
  if (!impossible || !timed) return undefined;
  for (const [cause, error] of impossible) {
    const reason = { code: 'publish_failed', message: error.message };
    verdicts.set(cause, { itemIdentifier: cause, deadLetter: true, reason });
  }
  metrics.published.inc(outgoing.filter(({ cause }) => !impossible.has(cause)).length);
  for (const reply of answer.replies ?? []) {
    if (verdicts.has(reply.itemIdentifier)) continue;
    const held = batch.find(({ delivery }) => delivery.record.id === reply.itemIdentifier);
    if (reply.error) held?.delivery.respond?.({ error: reply.error });
    else held?.delivery.respond?.({ data: reply.data ?? '', ...(reply.headers && { headers: reply.headers }) });
  }
  return verdicts;
};

/** All at once; if a message among them can never be published, record by record. Answers the records whose can not. */
const publishByCause = async (
  d: Dispatch,
  outgoing: readonly Caused[],
  of: Attached,
  batch: readonly Held[],
): Promise<Map<string, PublishError> | undefined> => {
  const impossible = new Map<string, PublishError>();
  const attempt = async (messages: readonly Caused[], onImpossible: (error: PublishError) => unknown): Promise<boolean> => {
    try {
      return await publishHeld(d, messages, of, batch);
    } catch (error) {
      await onImpossible(error as PublishError);
      return !of.closing;
    }
  };
  const byCause = Map.groupBy(outgoing, ({ cause }) => cause);
  const out = await attempt(outgoing, async () => {
    for (const [cause, messages] of byCause) await attempt(messages, (error) => impossible.set(cause, error));
  });
  return out ? impossible : undefined;
};

/** Resolves when they are stored; false: the bridge drains and they are not. Rejects with what no retry can mend. */
export const publishHeld = (d: Dispatch, outgoing: readonly Outgoing[], of: Attached, batch: readonly Held[]): Promise<boolean> => {
  let messages = outgoing;
  return holdUntil(
    d,
    async () => {
      const publishing = d.publisher.publish(messages);
      // What fails may have been stored all the same.
      messages = outgoing.map((message) => ({ ...message, again: true }));
      await publishing;
    },
    of,
    batch,
  );
};

/** A full or missing stream holds the input back rather than losing the output. False: the bridge drains. Throws what no retry can mend. */
const holdUntil = async (d: Dispatch, attempt: () => Promise<void>, of: Attached, batch: readonly Held[]): Promise<boolean> => {
  const { fn, clock, metrics, log } = d;
  try {
    for (let n = 0; ; n++) {
      try {
        await attempt();
        return true;
      } catch (error) {
        metrics.publishErrors.inc();
        if (error instanceof PublishError && !error.retryable) throw error;
        const why = `${fn.name} cannot publish: ${error instanceof PublishError ? error.message : String(error)}`;
        if (!d.blocked.values().some((sentence) => sentence === why)) log(why);
        d.blocked.set(batch, why);
        if (of.closing) return false;
        const wait = backoff(d, HOLD_MS, n);
        extend(of, batch, clock.now() + wait + (of.source.ackWait ?? 0) / 2, clock);
        await sleep(clock, wait);
      }
    }
  } finally {
    d.blocked.delete(batch);
  }
};
