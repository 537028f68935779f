/**
 * Streamed replies: what a function streams reaches the requester part by part, each as a message when it comes. An empty
 * message ends them; where the invocation failed, it has the error headers of NATS micro services.
 *
 * A streamed function answers with bytes, so with no outputs, alarms or failures of records. It is invoked with one request.
 */
import type { Batch } from '#shared/contract.ts';
import { type Delivery, InvokeError } from '../ports/ports.ts';
import { errorHeaders } from '../ports/service-error.ts';
import type { Dispatch } from './dispatch.ts';
import { type Attached, ack, type Held } from './held.ts';
import { call, eventOf, type Invoked, inTime, patiently } from './invocation.ts';

/** Answers and settles every request of the batch, one after the other. */
export const runStreamed = async (d: Dispatch, of: Attached, batch: readonly Held[]): Promise<void> => {
  for (const held of batch) {
    const { respond } = held.delivery;
    try {
      const { started, ended } = await streamPatiently(d, of, held);
      respond?.({ data: '' });
      const nothing = { publish: [], failures: new Map() };
      d.tracing?.invoked({ function: d.fn.name, binding: of.name, batch: [held], started, ended, settled: d.clock.now(), ...nothing });
    } catch (cause) {
      const { kind, message } = cause as InvokeError;
      respond?.({ data: '', headers: errorHeaders({ code: kind, message }) });
      if (!respond) of.metrics.dropped.inc('failed');
    }
    ack(of, held, d.clock.now());
  }
};

/** Rejects with an InvokeError. It is tried again as long as no part has come. */
const streamPatiently = (d: Dispatch, of: Attached, held: Held): Promise<Invoked<void>> => {
  const sent = { parts: 0 };
  const attempt = () => call(d, of, [held], () => sendParts(d, held.delivery, eventOf(d, of, [held], false), sent));
  return patiently(d, of, [held], attempt, () => sent.parts === 0);
};

/** Rejects with an InvokeError. */
const sendParts = async (d: Dispatch, delivery: Delivery, event: Batch, sent: { parts: number }): Promise<void> => {
  const { fn, invoker, publisher } = d;
  if (!invoker.invokeStreamed) throw new InvokeError('unreachable', `${fn.name} streams its answer, and its invoker cannot`);
  const parts = invoker.invokeStreamed(fn.name, event)[Symbol.asyncIterator]();
  const until = Date.parse(event.deadline) + d.writeMargin;
  const size = publisher.maxBytes();
  try {
    for (
      let part = await inTime(d, 'end its answer', parts.next(), until);
      !part.done;
      part = await inTime(d, 'end its answer', parts.next(), until)
    ) {
      for (let at = 0; at < part.value.length; at += size) {
        delivery.respond?.({ data: part.value.subarray(at, at + size) });
        sent.parts++;
      }
    }
  } catch (error) {
    // What is still to come has no reader; its end is not waited for.
    void parts.return?.().catch(() => undefined);
    throw error;
  }
};
