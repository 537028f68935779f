import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { lambdaInvoker, MAX_PAYLOAD_BYTES } from '#infra/bridge/invoke/lambda-invoker.ts';
import { localInvoker } from '#infra/bridge/invoke/local-invoker.ts';
import { provideStreaming } from '#infra/bridge/invoke/response-stream.ts';
import type { FunctionEntry } from '#infra/bridge/manifest/manifest.ts';
import type { InvokeFailure } from '#infra/bridge/ports/ports.ts';
import { freePort } from '#infra/local/free-port.ts';
import { expectedAuthorization } from '#test/support/aws-signature.ts';
import * as functions from '#test/support/contract-functions.ts';
import { invokeComplete } from '#test/support/event-stream.ts';
import { aRecord } from '#test/support/fake-ports.ts';
import {
  aBatch,
  contractManifest,
  FUNCTIONS_FILE,
  failure,
  invokerContract,
  streamed,
  streamingContract,
  streamingManifest,
} from '#test/support/invoker-contract.ts';
import { answers, type Behaviour, fails, hosts, refuses, startLambdaApi, streams } from '#test/support/lambda-api.ts';
import { lambdaStack } from '#test/support/lambda-stack.ts';

const invokerAt = (endpoint: string, over: Partial<FunctionEntry> = {}, prefix = '') =>
  lambdaInvoker({
    manifest: { functions: [contractManifest, streamingManifest].flatMap((of) => of({ timeout: 5_000, ...over }).functions) },
    writeMargin: 1000,
    prefix,
    environment: { AWS_ENDPOINT_URL: endpoint },
  });

describe('in this process', () => {
  const [echo, babble, refuse] = contractManifest().functions as [FunctionEntry, FunctionEntry, FunctionEntry];
  invokerContract(() => localInvoker({ functions: [echo, babble, refuse] }));
  streamingContract(() => localInvoker(streamingManifest()));
});

describe('behind the Lambda API', () => {
  const closing: (() => Promise<void>)[] = [];
  const closeAll = async () => {
    for (const close of closing.splice(0)) await close();
  };
  const apiThat = async (behaves: Behaviour) => {
    const api = await startLambdaApi(behaves);
    closing.push(api.close);
    return api;
  };

  describe('of a healthy region', () => {
    invokerContract(async () => invokerAt((await apiThat(hosts(functions))).endpoint));
    streamingContract(async () => {
      provideStreaming();
      return invokerAt((await apiThat(hosts({ ...(await import('#test/support/streaming-functions.ts')) }))).endpoint);
    });
    afterAll(closeAll);
  });

  describe('of an emulator', async () => {
    const stack = await lambdaStack(FUNCTIONS_FILE, {
      'shop-dev-echo': 'echo',
      'shop-dev-babble': 'babble',
      'shop-dev-refuse': 'refuse',
    }).catch((error: Error) => console.warn(`the contract is not tried on ministack: ${error.message}`));
    describe.skipIf(!stack)('that is there', () => {
      invokerContract(async () => invokerAt(stack?.endpoint ?? '', {}, 'shop-dev-'));
      afterAll(() => stack?.close());
    });
  });

  describe('on a bad day', () => {
    afterEach(closeAll);

    const cutShort: Behaviour = ({ response }) => {
      response.writeHead(200, { 'Content-Length': 1000 }).write('{"batchItemFailures"', () => response.destroy());
    };
    const endedAtItsTimeout = { errorType: 'Sandbox.Timedout', errorMessage: 'RequestId: 1 Error: Task timed out after 6.00 seconds' };
    const killed = { errorType: 'Runtime.ExitError', errorMessage: 'RequestId: 1 Error: Runtime exited with error: signal: killed' };
    const badDays: [string, InvokeFailure, RegExp, Behaviour][] = [
      [
        'has no capacity left',
        'throttled',
        /TooMany/,
        refuses(429, 'TooManyRequestsException', { Reason: 'ConcurrentInvocationLimitExceeded' }),
      ],
      ['has no machine left', 'throttled', /EC2Throttled/, refuses(502, 'EC2ThrottledException')],
      ['has a fault', 'unreachable', /ServiceException/, refuses(500, 'ServiceException')],
      ['forbids the call', 'unreachable', /AccessDenied/, refuses(403, 'AccessDeniedException')],
      ['finds the payload too large', 'too_large', /RequestTooLarge/, refuses(413, 'RequestTooLargeException')],
      ['is hidden by a gateway', 'timeout', /HTTP 502.*not known/, ({ response }) => response.writeHead(502).end('<h1>Bad Gateway</h1>')],
      ['is slow for a gateway', 'timeout', /HTTP 504.*not known/, ({ response }) => response.writeHead(504).end('{"message":"Timeout"}')],
      ['is spared by a gateway', 'throttled', /HTTP 429/, ({ response }) => response.writeHead(429).end('slow down')],
      ['hangs', 'timeout', /not known/, () => undefined],
      ['resets the connection', 'timeout', /not known/, ({ response }) => response.socket?.resetAndDestroy()],
      ['breaks off its answer', 'timeout', /not known/, cutShort],
      ['answers something else than HTTP', 'timeout', /not known/, ({ response }) => response.socket?.end('220 smtp.example.com ready')],
      ['ends the function at its timeout', 'timeout', /^echo failed: .*timed out/, fails(endedAtItsTimeout)],
      ['tells what killed the function', 'function_error', /^echo failed: .*signal: killed$/, fails(killed)],
      [
        'relays an error that is not JSON',
        'function_error',
        /^echo failed: oops$/,
        answers('oops', { 'X-Amz-Function-Error': 'Unhandled' }),
      ],
      ['relays an answer that is not JSON', 'malformed', /^echo answered "<html>", which is not JSON$/, answers('<html>')],
      ['relays no answer at all', 'malformed', /^echo answered "", which is not JSON$/, answers('')],
    ];
    it.each(badDays)('calls once when it %s: %s', async (_, kind, message, behaves) => {
      const api = await apiThat(behaves);
      await expect(invokerAt(api.endpoint, { timeout: 100 }).invoke('echo', aBatch())).rejects.toEqual(failure(kind, message));
      expect(api.called).toEqual(['echo']);
    });

    const timedOut = { ErrorCode: 'Unhandled', ErrorDetails: JSON.stringify(endedAtItsTimeout) };
    const badStreams: [string, InvokeFailure, RegExp, string, Behaviour][] = [
      ['is never begun for want of capacity', 'throttled', /TooMany/, '', refuses(429, 'TooManyRequestsException')],
      ['never begins', 'timeout', /not known/, '', () => undefined],
      ['falls silent', 'timeout', /not known/, 'begun', streams(['begun'], () => undefined)],
      ['is broken off', 'timeout', /not known/, 'begun', streams(['begun'], (response) => response.destroy())],
      ['just stops', 'timeout', /not known/, 'begun', streams(['begun'], (response) => response.end())],
      ['is not one', 'timeout', /not known/, '', answers('<html>')],
      ['outlasts the function', 'timeout', /^echo failed: .*timed out/, 'b', streams(['b'], (r) => r.end(invokeComplete(timedOut)))],
      ['ends with a code', 'function_error', /^echo failed: Oops$/, '', streams([], (r) => r.end(invokeComplete({ ErrorCode: 'Oops' })))],
    ];
    it.each(badStreams)('calls once when a streamed answer %s: %s', async (_, kind, message, text, behaves) => {
      const api = await apiThat(behaves);
      expect(await streamed(invokerAt(api.endpoint, { timeout: 100 }), 'echo')).toEqual({ text, error: failure(kind, message) });
      expect(api.called).toEqual(['echo']);
    });

    it('blames nobody when nobody listens', async () => {
      const nobody = invokerAt(`http://127.0.0.1:${await freePort()}`);
      await expect(nobody.invoke('echo', aBatch())).rejects.toEqual(failure('unreachable', /^echo \(echo\) .*ECONNREFUSED/));
    });

    it('blames nobody when the name of the endpoint leads nowhere', async () => {
      const nowhere = invokerAt('http://lambda.invalid');
      await expect(nowhere.invoke('echo', aBatch())).rejects.toEqual(failure('unreachable', /ENOTFOUND|EAI_AGAIN/));
    });
  });

  describe('of any kind', () => {
    afterEach(closeAll);

    const arn = 'arn:aws:lambda:eu-west-1:123456789012:function:echo';
    it.each([
      ['name', 'other', 'other'],
      ['name and alias', 'other:live', 'other%3Alive'],
      ['name and version', 'other:7', 'other%3A7'],
      ['ARN', arn, encodeURIComponent(arn)],
      ['ARN of an alias', `${arn}:live`, encodeURIComponent(`${arn}:live`)],
      ['own name behind the prefix, where it has no target', undefined, 'shop-dev-echo'],
    ])('invokes a function of AWS Lambda by its %s', async (_, target, called) => {
      const api = await apiThat(hosts({ 'shop-dev-echo': functions.echo, ...(target && { [target]: functions.echo }) }));
      const invoker = invokerAt(api.endpoint, target === undefined ? {} : { target }, 'shop-dev-');
      expect([await invoker.invoke('echo', aBatch()), JSON.parse((await streamed(invoker, 'echo')).text)]).toEqual([aBatch(), aBatch()]);
      expect(api.calls.map(({ path }) => path)).toEqual([
        `/2015-03-31/functions/${called}/invocations`,
        `/2021-11-15/functions/${called}/response-streaming-invocations`,
      ]);
    });

    it.each(['echo', 'arn:aws:lambda:us-east-1:123456789012:function:echo:live'])('signs what it calls %s with', async (target) => {
      const api = await apiThat(hosts({ [target]: functions.echo }));
      const invoker = invokerAt(api.endpoint, { target });
      await invoker.invoke('echo', aBatch(aRecord(1, { data: 'Grüße' })));
      await streamed(invoker, 'echo');
      expect(api.calls.map(({ headers }) => headers.authorization)).toEqual(api.calls.map(expectedAuthorization));
      expect(api.calls).toHaveLength(2);
    });

    it('waits for as long as the function may work', async () => {
      const slow: Behaviour = (call) => setTimeout(() => answers('"done"')(call), 200);
      const invoker = invokerAt((await apiThat(slow)).endpoint, { timeout: 100 });
      expect(await invoker.invoke('echo', aBatch())).toBe('done');
    });

    it('keeps its connection for the next call', async () => {
      const api = await apiThat(answers('{}'));
      const invoker = invokerAt(api.endpoint);
      for (let n = 0; n < 3; n++) await invoker.invoke('echo', aBatch());
      expect(api.connections()).toBe(1);
    });

    it('does not send what Lambda would not take, and takes what it would', async () => {
      const api = await apiThat(answers('{}'));
      const full = aBatch(aRecord(1));
      (full.Records[0] as { data: string }).data += 'x'.repeat(MAX_PAYLOAD_BYTES - JSON.stringify(full).length);
      expect(await invokerAt(api.endpoint).invoke('echo', full)).toEqual({});
      const fuller = { ...full, binding: `${full.binding}x` };
      await expect(invokerAt(api.endpoint).invoke('echo', fuller)).rejects.toEqual(
        failure('too_large', /^1 messages for echo are 6291457 bytes/),
      );
      expect(api.called).toEqual(['echo']);
    });
  });
});
