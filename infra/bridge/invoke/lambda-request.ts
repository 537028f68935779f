/**
 * A call of the Lambda API as one HTTP request. The SDK finds the endpoint, the region and the credentials, and signs; what
 * else its client does for every call takes the process longer than the call itself.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { urlToHttpOptions } from 'node:url';
import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import { postSigner, type Sign } from '#shared/aws-signature.ts';

/** ms */
export const CONNECT_MS = 3_000;

/**
 * The lanes bound the calls in flight. A socket that idles is closed before the other side does: a call on one that is just
 * being closed ends without an answer, and nobody knows what it did.
 */
export const AGENT = { keepAlive: true, maxSockets: Infinity, timeout: 4_000 };

export type LambdaAnswer = { status: number; headers: IncomingHttpHeaders; body: string };
/** Rejects with an error of Node or of the SDK, as its client would; `timeout` is ms until the whole answer must be there. */
export type LambdaRequest = (path: string, body: Buffer, timeout: number) => Promise<LambdaAnswer>;

const timeoutError = (message: string, code?: string): Error =>
  Object.assign(new Error(message), { name: 'TimeoutError', ...(code && { code }) });

const exchange = (options: RequestOptions, body: Buffer, timeout: number): Promise<LambdaAnswer> =>
  new Promise((resolve, reject) => {
    const start = options.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = start(options, (response) => {
      const parts: Buffer[] = [];
      const end = () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts).toString() });
      response
        .on('data', (part) => parts.push(part))
        .on('end', end)
        .on('error', reject);
    });
    const give = (ms: number, error: () => Error) => setTimeout(() => request.destroy(error()), ms);
    const answering = give(timeout, () => timeoutError(`no answer within ${timeout} ms`, 'ETIMEDOUT'));
    request.on('socket', (socket) => {
      if (!socket.connecting) return;
      const connecting = give(CONNECT_MS, () => timeoutError(`no connection within ${CONNECT_MS} ms`));
      socket.once('connect', () => clearTimeout(connecting)).once('close', () => clearTimeout(connecting));
    });
    request.on('error', reject).on('close', () => clearTimeout(answering));
    request.end(body);
  });

/** Where a client's calls go. It says so only in the middle of one. */
const findEndpoint = async (client: LambdaClient): Promise<URL> => {
  let url: URL | undefined;
  const command = new InvokeCommand({ FunctionName: 'any' });
  command.middlewareStack.add(
    (_, context) => async () => {
      url = context.endpointV2?.url;
      return { output: { $metadata: {} }, response: undefined };
    },
    { step: 'build' },
  );
  await client.send(command);
  return url as URL;
};

/** Requests of a client's endpoint, signed for it. */
export const lambdaRequest = (client: LambdaClient): LambdaRequest => {
  const { region, credentials } = client.config;
  const agents: Record<string, HttpAgent> = { 'http:': new HttpAgent(AGENT), 'https:': new HttpsAgent(AGENT) };
  let found: { sign: Sign; base: string; host: string; options: RequestOptions } | undefined;

  const find = async () => {
    const sign = postSigner({ service: 'lambda', region: await region(), contentType: 'application/octet-stream' });
    const url = await findEndpoint(client);
    const { protocol, host, pathname } = url;
    // Of an IPv6 address without its brackets.
    const { hostname, port } = urlToHttpOptions(url);
    return {
      sign,
      base: pathname.replace(/\/$/, ''),
      host,
      options: { method: 'POST', protocol, hostname, port, agent: agents[protocol] },
    };
  };

  return async (functionPath, body, timeout) => {
    found ??= await find();
    const { sign, base, host, options } = found;
    const path = base + functionPath;
    const headers = sign(await credentials(), host, path, body);
    headers.push('content-length', String(body.length));
    return exchange({ ...options, path, headers }, body, timeout);
  };
};
