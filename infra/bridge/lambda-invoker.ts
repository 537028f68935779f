/**
 * Calls functions on AWS Lambda, or on whatever answers its API: `Invoke`, synchronously, with the batch as JSON.
 *
 * A function is called by its `target` in the manifest, a name, `<name>:<alias or version>` or an ARN; without one by its
 * name behind `prefix`, which is `<service>-<stage>-` for what `osls deploy` has deployed. Region and credentials are found as
 * every AWS SDK finds them; `AWS_ENDPOINT_URL_LAMBDA` or `AWS_ENDPOINT_URL` leads elsewhere. The role needs
 * `lambda:InvokeFunction` on the targets.
 *
 * A call is made once: an SDK that tried again would enter the function twice, and the bridge knows better when to.
 */
import { InvokeCommand, type InvokeCommandOutput, LambdaClient } from '@aws-sdk/client-lambda';
import { ownEndpoint } from '#shared/own-endpoint.ts';
import { functionError, invokeError } from './lambda-failure.ts';
import type { Manifest } from './manifest.ts';
import { InvokeError, type Invoker } from './ports.ts';
import { payloadBytes } from './record.ts';

/** What Lambda takes in a synchronous call, bytes. */
export const MAX_PAYLOAD_BYTES = 6 * 1024 * 1024;
/** ms */
const CONNECT_MS = 3_000;

export type LambdaInvokerOptions = {
  manifest: Manifest;
  /** ms after a function's timeout for which its answer is waited for: the dispatcher's own. */
  writeMargin: number;
  /** Before the names of functions that have no `target`. */
  prefix?: string;
  environment?: Record<string, string | undefined>;
};

const lambdaClient = (environment: Record<string, string | undefined>): LambdaClient => {
  const client = new LambdaClient({
    ...ownEndpoint('LAMBDA', environment),
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      // A function that works says nothing: silence on a socket is no fault. The limit of each call is its function's.
      socketTimeout: 0,
      throwOnRequestTimeout: true,
      // The lanes bound the calls in flight. Sockets are kept alive by default.
      httpAgent: { maxSockets: Infinity },
      httpsAgent: { maxSockets: Infinity },
    },
  });
  // It copies every request and answer for a logger that is not there.
  client.middlewareStack.remove('loggerMiddleware');
  return client;
};

const readAnswer = (functionName: string, { FunctionError, Payload }: InvokeCommandOutput): unknown => {
  const text = Payload?.transformToString() ?? '';
  if (FunctionError) throw functionError(functionName, text);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const start = JSON.stringify(text.slice(0, 60));
    throw new InvokeError('malformed', `${functionName} answered ${start}, which is not JSON`, { cause });
  }
};

export const lambdaInvoker = ({ manifest, writeMargin, prefix = '', environment = process.env }: LambdaInvokerOptions): Invoker => {
  const client = lambdaClient(environment);
  const functions = new Map(manifest.functions.map((fn) => [fn.name, { target: fn.target ?? prefix + fn.name, timeout: fn.timeout }]));

  return {
    bytesOf: payloadBytes,
    invoke: async (functionName, batch) => {
      const fn = functions.get(functionName);
      if (!fn) throw new InvokeError('unreachable', `there is no function ${functionName} in the manifest`);
      const payload = Buffer.from(JSON.stringify(batch));
      if (payload.length > MAX_PAYLOAD_BYTES)
        throw new InvokeError(
          'too_large',
          `${batch.Records.length} messages for ${functionName} are ${payload.length} bytes of JSON, and Lambda takes ${MAX_PAYLOAD_BYTES}`,
        );
      const call = new InvokeCommand({ FunctionName: fn.target, Payload: payload });
      try {
        return readAnswer(functionName, await client.send(call, { requestTimeout: fn.timeout + writeMargin }));
      } catch (error) {
        throw invokeError(functionName, fn.target, error);
      }
    },
  };
};
