/**
 * Calls functions on AWS Lambda, or on whatever answers its API: `Invoke`, synchronously, with the batch as JSON; `InvokeWithResponseStream`
 * for a function that streams its answer.
 *
 * A function is called by its `target` in the manifest, a name, `<name>:<alias or version>` or an ARN; without one by its
 * name behind `prefix`, which is `<service>-<stage>-` for what `osls deploy` has deployed. Region and credentials are found as
 * every AWS SDK finds them; `AWS_ENDPOINT_URL_LAMBDA` or `AWS_ENDPOINT_URL` leads elsewhere. The role needs
 * `lambda:InvokeFunction` on the targets.
 *
 * A call is made once: an SDK that tried again would enter the function twice, and the bridge knows better when to.
 */
import { InvokeWithResponseStreamCommand, type InvokeWithResponseStreamCommandOutput, LambdaClient } from '@aws-sdk/client-lambda';
import type { Batch } from '#shared/contract.ts';
import { ownEndpoint } from '#shared/own-endpoint.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { InvokeError, type Invoker } from '../ports/ports.ts';
import { payloadBytes } from '../ports/record.ts';
import { functionError, invokeError, refusal } from './lambda-failure.ts';
import { AGENT, CONNECT_MS, type LambdaAnswer, lambdaRequest } from './lambda-request.ts';

/** What Lambda takes in a synchronous call, bytes. */
export const MAX_PAYLOAD_BYTES = 6 * 1024 * 1024;

export type LambdaInvokerOptions = {
  manifest: Manifest;
  /** ms after a function's timeout for which its answer is waited for: the dispatcher's own. */
  writeMargin: number;
  /** Before the names of functions that have no `target`. */
  prefix?: string;
  environment?: Record<string, string | undefined>;
};

const lambdaClient = (environment: Record<string, string | undefined>): LambdaClient =>
  new LambdaClient({
    ...ownEndpoint('LAMBDA', environment),
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      // A function that works says nothing: silence on a socket is no fault. The limit of each call is its function's.
      socketTimeout: 0,
      httpAgent: AGENT,
      httpsAgent: AGENT,
    },
  });

const readAnswer = (functionName: string, { status, headers, body: text }: LambdaAnswer): unknown => {
  if (status >= 300) throw refusal(status, headers['x-amzn-errortype'], text);
  if (headers['x-amz-function-error']) throw functionError(functionName, text);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const start = JSON.stringify(text.slice(0, 60));
    throw new InvokeError('malformed', `${functionName} answered ${start}, which is not JSON`, { cause });
  }
};

async function* readParts(functionName: string, { EventStream }: InvokeWithResponseStreamCommandOutput): AsyncGenerator<Uint8Array> {
  for await (const { PayloadChunk, InvokeComplete } of EventStream ?? []) {
    if (PayloadChunk?.Payload?.length) yield PayloadChunk.Payload;
    if (InvokeComplete?.ErrorCode) throw functionError(functionName, InvokeComplete.ErrorDetails || InvokeComplete.ErrorCode);
    if (InvokeComplete) return;
  }
  throw new InvokeError('timeout', `${functionName} broke off its answer: what it did is not known`);
}

export const lambdaInvoker = ({ manifest, writeMargin, prefix = '', environment = process.env }: LambdaInvokerOptions): Invoker => {
  const client = lambdaClient(environment);
  const request = lambdaRequest(client);
  const functions = new Map(manifest.functions.map((fn) => [fn.name, { target: fn.target ?? prefix + fn.name, timeout: fn.timeout }]));

  const callOf = (functionName: string, batch: Batch) => {
    const fn = functions.get(functionName);
    if (!fn) throw new InvokeError('unreachable', `there is no function ${functionName} in the manifest`);
    const Payload = Buffer.from(JSON.stringify(batch));
    if (Payload.length > MAX_PAYLOAD_BYTES)
      throw new InvokeError(
        'too_large',
        `${batch.Records.length} messages for ${functionName} are ${Payload.length} bytes of JSON, and Lambda takes ${MAX_PAYLOAD_BYTES}`,
      );
    return { target: fn.target, patience: fn.timeout + writeMargin, input: { FunctionName: fn.target, Payload } };
  };

  return {
    bytesOf: payloadBytes,
    invoke: async (functionName, batch) => {
      const { target, patience, input } = callOf(functionName, batch);
      const path = `/2015-03-31/functions/${encodeURIComponent(target)}/invocations`;
      try {
        return readAnswer(functionName, await request(path, input.Payload, patience));
      } catch (error) {
        throw invokeError(functionName, target, error);
      }
    },
    async *invokeStreamed(functionName, batch) {
      const { target, patience, input } = callOf(functionName, batch);
      try {
        const abortSignal = AbortSignal.timeout(patience);
        yield* readParts(functionName, await client.send(new InvokeWithResponseStreamCommand(input), { abortSignal }));
      } catch (error) {
        throw invokeError(functionName, target, error);
      }
    },
  };
};
