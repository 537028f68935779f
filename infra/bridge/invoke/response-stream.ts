/**
 * What a function that streams its answer finds in Lambda's Node runtime: the global `awslambda`, whose
 * `streamifyResponse(handler)` marks a handler that writes to a stream.
 */
import { PassThrough, type Writable } from 'node:stream';
import type { Batch } from '#shared/contract.ts';

export type ResponseStream = Writable & { setContentType(type: string): void };
type Context = { awsRequestId: string; functionName: string };
type Handler = (event: Batch, context: Context) => Promise<unknown>;
export type StreamedHandler = (event: Batch, stream: ResponseStream, context: Context) => Promise<unknown>;

/** The runtime's own mark. */
const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');

const streamifyResponse = (handler: StreamedHandler): StreamedHandler => Object.assign(handler, { [STREAMING]: 'response' });

/** Before the handlers are imported: they call it while they are. */
export const provideStreaming = (): void => {
  Object.assign(globalThis, { awslambda: { streamifyResponse } });
};

const isStreamed = (handler: Handler | StreamedHandler): handler is StreamedHandler => STREAMING in handler;

/** The parts of an answer as they are written; of a handler that does not stream, all of it as one part, as Lambda has it. */
export async function* callStreamed(handler: Handler | StreamedHandler, event: Batch, context: Context): AsyncGenerator<Uint8Array> {
  if (!isStreamed(handler)) {
    yield Buffer.from(JSON.stringify(await handler(event, context)) ?? '');
    return;
  }
  const stream = Object.assign(new PassThrough(), { setContentType() {} });
  // Called a step later, so that a handler which throws at once finds a reader.
  Promise.resolve()
    .then(() => handler(event, stream, context))
    .then(
      () => stream.end(),
      (error) => stream.destroy(error instanceof Error ? error : new Error(String(error))),
    );
  yield* stream as AsyncIterable<Uint8Array>;
}
