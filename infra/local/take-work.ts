/** A worker of a domain's queues of work: in turns that favour what is urgent, and starve nothing. */
import { type Msg, type NatsConnection, RequestError } from '@nats-io/transport-node';
import type { Priority } from '#shared/messages/fields.ts';
import { orderOf, queueName, TURNS, WORK_STREAM } from '../bridge/queues/work-queue.ts';

const ASK = JSON.stringify({ batch: 1, no_wait: true });
const ANSWER_MS = 5000;
const IDLE_MS = 500;

/** Undefined where the queue is empty, or not there yet. */
const next = async (nc: NatsConnection, domain: string, priority: Priority): Promise<Msg | undefined> => {
  const queue = queueName({ domain, priority });
  try {
    // It answers with the message itself, subject and all, which the shared inbox of requests would not know.
    const options = { timeout: ANSWER_MS, noMux: true };
    const answer = await nc.request(`$JS.API.CONSUMER.MSG.NEXT.${WORK_STREAM}.${queue}`, ASK, options);
    return answer.headers?.code ? undefined : answer;
  } catch (error) {
    if (error instanceof RequestError && error.isNoResponders()) return undefined;
    throw error;
  }
};

/** Calls `work` with one message at a time, `count` in all, and acknowledges each when it has returned. */
export const takeWork = async (nc: NatsConnection, domain: string, count: number, work: (message: Msg) => void): Promise<void> => {
  // Workers that live for a few messages only would all begin with the critical.
  let turn = 1 + Math.floor(Math.random() * TURNS);
  for (let taken = 0; taken < count; ) {
    let message: Msg | undefined;
    for (const priority of orderOf(turn)) message ??= await next(nc, domain, priority);
    if (!message) {
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
      continue;
    }
    work(message);
    await nc.request(message.reply as string, '+ACK', { timeout: ANSWER_MS });
    turn = (turn % TURNS) + 1;
    taken++;
  }
};
