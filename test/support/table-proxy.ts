/** An HTTP proxy in front of a table, with which a test makes the table throttle, answer in part or lose an answer. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

// biome-ignore lint/suspicious/noExplicitAny: requests and answers of some ten operations
export type Json = any;
export type TableAnswer = { status: number; body: Json };

/** What becomes of a request. `forward` asks the table; `undefined` as an answer closes the connection without one. */
export type Behaviour = (operation: string, body: Json, forward: (body: Json) => Promise<TableAnswer>) => Promise<TableAnswer | undefined>;

export type TableProxy = {
  endpoint: string;
  /** Names of the operations asked for, in order. */
  calls: string[];
  behave(behaviour: Behaviour): void;
  stop(): Promise<void>;
};

export const passing: Behaviour = (_operation, body, forward) => forward(body);

export const throttled: TableAnswer = {
  status: 400,
  body: { __type: 'com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException', message: 'slow down' },
};

export const startTableProxy = async (endpoint: string): Promise<TableProxy> => {
  let behaviour = passing;
  const calls: string[] = [];

  const answer = async (request: IncomingMessage): Promise<TableAnswer | undefined> => {
    const target = String(request.headers['x-amz-target']);
    const operation = target.slice(target.indexOf('.') + 1);
    calls.push(operation);
    // The table wants signed headers to be there; a body that was changed it takes all the same.
    const { host: _, connection: __, 'content-length': ___, ...headers } = request.headers as Record<string, string>;
    const forward = async (body: Json) => {
      const response = await fetch(endpoint, { method: 'POST', headers, body: JSON.stringify(body) });
      return { status: response.status, body: await response.json() };
    };
    return behaviour(operation, JSON.parse(await text(request)), forward);
  };

  const server = createServer(async (request, response) => {
    const answered = await answer(request);
    if (!answered) return request.socket.destroy();
    return response.writeHead(answered.status, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify(answered.body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    behave: (next) => {
      behaviour = next;
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
