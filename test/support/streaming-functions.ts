/** Functions that stream their answer. They are imported where the global `awslambda` of Lambda's Node runtime is. */
import { setImmediate } from 'node:timers/promises';
import type { StreamedHandler } from '#infra/bridge/invoke/response-stream.ts';

declare const awslambda: { streamifyResponse(handler: StreamedHandler): StreamedHandler };

export const repeat = awslambda.streamifyResponse(async (batch, stream) => {
  stream.setContentType('application/json');
  const text = JSON.stringify(batch);
  stream.write(text.slice(0, 10));
  await setImmediate();
  stream.end(text.slice(10));
});

export const endless = awslambda.streamifyResponse(async (_batch, stream) => {
  while (!stream.destroyed) {
    stream.write('more');
    await setImmediate();
  }
});

export const stumble = awslambda.streamifyResponse(async (_batch, stream) => {
  stream.write('begun');
  await setImmediate();
  throw new Error('agent a1\n  is gone');
});

export const balk = awslambda.streamifyResponse(async () => {
  throw new Error('agent a1\n  has no state');
});
