/** The Invoke calls of the Lambda API on a port of its own, answered by whatever a test says. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { callStreamed } from '#infra/bridge/invoke/response-stream.ts';
import { invokeComplete, payloadChunk } from './event-stream.ts';

export type LambdaCall = {
  functionName: string;
  streamed: boolean;
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  payload: string;
  response: ServerResponse;
};
export type Behaviour = (call: LambdaCall) => unknown;

export const answers =
  (payload: string, headers: Record<string, string> = {}): Behaviour =>
  ({ response }) =>
    response.writeHead(200, headers).end(payload);

/** The function was entered and ended badly. */
export const fails = (body: { errorType: string; errorMessage: string }): Behaviour =>
  answers(JSON.stringify(body), { 'X-Amz-Function-Error': 'Unhandled' });

/** The API itself says no. */
export const refuses =
  (status: number, type: string, body: Record<string, string> = {}): Behaviour =>
  ({ response }) =>
    response
      .writeHead(status, { 'X-Amzn-ErrorType': type, 'Content-Type': 'application/json' })
      .end(JSON.stringify({ message: `${type} of a test`, ...body }));

/** The function was entered and streams so far; `end` says how it goes on. */
export const streams =
  (parts: readonly string[], end: (response: ServerResponse) => unknown): Behaviour =>
  ({ response }) => {
    const begun = Buffer.concat(parts.map((part) => payloadChunk(part)));
    response.writeHead(200, { 'Content-Type': EVENT_STREAM }).write(begun, () => end(response));
  };

const EVENT_STREAM = 'application/vnd.amazon.eventstream';

const hostStreamed = async (handler: (...args: never[]) => unknown, { functionName, payload, response }: LambdaCall) => {
  response.writeHead(200, { 'Content-Type': EVENT_STREAM });
  try {
    const parts = callStreamed(handler as Parameters<typeof callStreamed>[0], JSON.parse(payload), { awsRequestId: '1', functionName });
    for await (const part of parts) {
      if (response.destroyed) return;
      response.write(payloadChunk(part));
    }
    response.end(invokeComplete());
  } catch (error) {
    const { name: errorType, message: errorMessage } = error as Error;
    response.end(invokeComplete({ ErrorCode: 'Unhandled', ErrorDetails: JSON.stringify({ errorType, errorMessage }) }));
  }
};

/** Behaves like a Lambda with these functions. */
export const hosts =
  (functions: Record<string, unknown>): Behaviour =>
  async (call) => {
    const handler = functions[call.functionName];
    if (typeof handler !== 'function') return refuses(404, 'ResourceNotFoundException')(call);
    if (call.streamed) return hostStreamed(handler as () => unknown, call);
    try {
      return answers(JSON.stringify(await handler(JSON.parse(call.payload))))(call);
    } catch (error) {
      const { name: errorType, message: errorMessage } = error as Error;
      return fails({ errorType, errorMessage })(call);
    }
  };

const CALL = /^\/(?:2015-03-31|2021-11-15)\/functions\/([^/]+)\/(invocations|response-streaming-invocations)$/;

export const startLambdaApi = async (behave: Behaviour, { address = '127.0.0.1', port = 0 } = {}) => {
  const calls: LambdaCall[] = [];
  const called: string[] = [];
  let connections = 0;
  const server = createServer(async (request, response) => {
    const { method = '', url: path = '', headers } = request;
    const [, name = '', way] = CALL.exec(path) ?? [];
    const asked = { functionName: decodeURIComponent(name), streamed: way === 'response-streaming-invocations' };
    const call: LambdaCall = { ...asked, method, path, headers, payload: await text(request), response };
    calls.push(call);
    called.push(call.functionName);
    await behave(call);
  });
  server.on('connection', () => connections++).listen(port, address);
  await once(server, 'listening');
  return {
    endpoint: `http://${address}:${(server.address() as AddressInfo).port}`,
    /** In order. */
    calls,
    /** The functions called, in order. */
    called,
    connections: () => connections,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};
