/** Bodies, and a request whose error is a sentence. */
import { headers as createHeaders, type Msg, type NatsConnection, RequestError } from '@nats-io/transport-node';

// biome-ignore lint/suspicious/noExplicitAny: an example reads as its message is written in docs/wire.md.
export type Body = any;

export const textOf = (body: unknown): string => (typeof body === 'string' ? body : JSON.stringify(body ?? ''));

/** JSON, or else the text. */
export const bodyOf = (message: Msg): Body => {
  const text = message.string();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

export const seconds = (ms: number): string => `${ms / 1000} s`;

/** Says in `X-Deadline` that it waits for `timeout` ms. */
export const ask = async (nc: NatsConnection, subject: string, body: unknown, timeout: number): Promise<Msg> => {
  const headers = createHeaders();
  headers.set('X-Deadline', new Date(Date.now() + timeout).toISOString());
  const reply = await nc.request(subject, textOf(body), { timeout, headers }).catch((error: Error) => {
    const nobody = error instanceof RequestError && error.isNoResponders();
    throw new Error(nobody ? `nobody answers requests on ${subject}` : `no answer on ${subject} within ${seconds(timeout)}`);
  });
  const failure = reply.headers?.get('Nats-Service-Error');
  if (failure) throw new Error(failure);
  return reply;
};
