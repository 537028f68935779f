/** A receiver of notifications on a free port: keeps what it gets and answers as it is told. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export type Got = { headers: IncomingHttpHeaders; body: string };
type Answer = { status: number; headers?: Record<string, string> };

/** `answers`: how the n-th request is answered, from 0. */
export const startReceiver = async (answers: (got: Got, n: number) => Answer = () => ({ status: 204 })) => {
  const got: Got[] = [];
  const server = createServer(async (request, response) => {
    const one = { headers: request.headers, body: await text(request) };
    const { status, headers = {} } = answers(one, got.push(one) - 1);
    response.writeHead(status, headers).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    got,
    stop: () => new Promise<void>((done) => void server.close(() => done()).closeAllConnections()),
  };
};

/** As a receiver checks it, by the text of the Standard Webhooks specification: who sent it, and that it is not old. */
export const isGenuine = ({ headers, body }: Got, secret: string, now = Date.now()): boolean => {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers;
  if (Math.abs(now / 1000 - Number(timestamp)) > 300) return false;
  const expected = createHmac('sha256', Buffer.from(secret.replace('whsec_', ''), 'base64'))
    .update(`${id}.${timestamp}.${body}`)
    .digest();
  return String(signatures)
    .split(' ')
    .map((one) => one.split(','))
    .some(([version, signature = '']) => {
      const given = Buffer.from(signature, 'base64');
      return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected);
    });
};
