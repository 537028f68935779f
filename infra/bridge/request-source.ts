/**
 * A binding's requests. Errors are answered as NATS micro services answer them, so that any client recognises them. A
 * message without a reply subject is delivered as well; there is just nobody to answer.
 */
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import type { ErrorBody, Headers } from '#shared/contract.ts';
import type { Source } from './ports.ts';
import { natsHeaders } from './record.ts';
import { type UnstoredSourceOptions, unstoredSource } from './unstored-source.ts';

export const requestSource = (options: UnstoredSourceOptions): Source =>
  unstoredSource('request', options, (msg) => (msg.reply ? { respond: respondTo(options.nc, msg) } : {}));

type Answer = { data: string; headers?: Headers } | { error: ErrorBody };

/** The numbers that micro service clients know for codes of ours. */
const HTTP_CODES = new Map([
  ['not_found', 404],
  ['too_many', 429],
  ['timeout', 504],
]);
const httpCode = (code: string): number => (code.startsWith('invalid_') ? 400 : (HTTP_CODES.get(code) ?? 500));

/** Answers a request, with the error headers of NATS micro services where it is an error. */
export const respondTo = (nc: NatsConnection, msg: Msg) => (answer: Answer) => {
  try {
    send(nc, msg, answer);
  } catch (error) {
    if (nc.isClosed()) return;
    send(nc, msg, { error: { code: 'unsendable_answer', message: `the answer cannot be sent: ${(error as Error).message}` } });
  }
};

const send = (nc: NatsConnection, msg: Msg, answer: Answer) => {
  const reply = msg.reply as string;
  if ('error' in answer) {
    const { code, message } = answer.error;
    const headers = natsHeaders({
      'Nats-Service-Error': [message.replace(/\s+/g, ' ')],
      'Nats-Service-Error-Code': [String(httpCode(code))],
    });
    nc.publish(reply, JSON.stringify({ error: { code, message } }), { headers });
  } else {
    nc.publish(reply, answer.data, answer.headers ? { headers: natsHeaders(answer.headers) } : {});
  }
};
