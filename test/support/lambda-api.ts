/** The Invoke call of the Lambda API on a port of its own, answered by whatever a test says. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export type LambdaCall = { functionName: string; payload: string; response: ServerResponse };
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

/** Behaves like a Lambda with these functions. */
export const hosts =
  (functions: Record<string, unknown>): Behaviour =>
  async (call) => {
    const handler = functions[call.functionName];
    if (typeof handler !== 'function') return refuses(404, 'ResourceNotFoundException')(call);
    try {
      return answers(JSON.stringify(await handler(JSON.parse(call.payload))))(call);
    } catch (error) {
      const { name: errorType, message: errorMessage } = error as Error;
      return fails({ errorType, errorMessage })(call);
    }
  };

export const startLambdaApi = async (behave: Behaviour) => {
  const called: string[] = [];
  let connections = 0;
  const server = createServer(async (request, response) => {
    const [, name] = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(request.url ?? '') ?? [];
    const call = { functionName: decodeURIComponent(name ?? ''), payload: await text(request), response };
    called.push(call.functionName);
    await behave(call);
  });
  server.on('connection', () => connections++).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
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
