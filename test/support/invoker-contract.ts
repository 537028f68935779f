/** What every invoker promises the dispatcher. One suite for all of them: call it with a way to open one that has `contract-functions.ts`. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { FunctionEntry, Manifest } from '#infra/bridge/manifest/manifest.ts';
import type { InvokeFailure, Invoker } from '#infra/bridge/ports/ports.ts';
import type { Batch, BatchRecord } from '#shared/contract.ts';
import { aFunction, aRecord } from './fake-ports.ts';

export const FUNCTIONS_FILE = `${import.meta.dirname}/contract-functions.ts`;
export const STREAMING_FILE = `${import.meta.dirname}/streaming-functions.ts`;

export const aBatch = (...Records: BatchRecord[]): Batch => ({
  eventSource: 'nats:jetstream',
  binding: 'echo.events',
  consumer: 'EVENTS@1/echo_events.0',
  floor: { sequence: 0, asOf: '2026-01-01T00:00:00.000Z' },
  deadline: '2026-01-01T00:00:06.000Z',
  Records,
});

/** Of the functions that the contract calls, and of one that nobody has. */
export const contractManifest = (over: Partial<FunctionEntry> = {}): Manifest => ({
  functions: ['echo', 'babble', 'refuse', 'missing'].map((name) =>
    aFunction({ name, handler: { module: FUNCTIONS_FILE, export: name }, ...over }),
  ),
});

/** Of the functions that stream. */
export const streamingManifest = (over: Partial<FunctionEntry> = {}): Manifest => ({
  functions: ['repeat', 'endless', 'stumble', 'balk'].map((name) =>
    aFunction({ name, handler: { module: STREAMING_FILE, export: name }, ...over }),
  ),
});

export const anyRecord: fc.Arbitrary<BatchRecord> = fc
  .record({ data: fc.string({ unit: 'binary' }), headers: fc.dictionary(fc.string(), fc.array(fc.string({ unit: 'binary' }))) })
  .map((fields) => aRecord(1, JSON.parse(JSON.stringify(fields)) as typeof fields));

export const failure = (kind: InvokeFailure, message: RegExp) =>
  expect.objectContaining({ name: 'InvokeError', kind, message: expect.stringMatching(message) });

/** The text of the parts that came, and what ended them. */
export const streamed = async (invoker: Invoker, functionName: string, batch = aBatch()) => {
  const parts: Buffer[] = [];
  try {
    for await (const part of invoker.invokeStreamed?.(functionName, batch) ?? []) parts.push(Buffer.from(part));
    return { text: Buffer.concat(parts).toString() };
  } catch (error) {
    return { text: Buffer.concat(parts).toString(), error };
  }
};

export const invokerContract = (open: () => Promise<Invoker>): void => {
  let invoker: Invoker;
  beforeAll(async () => {
    invoker = await open();
  });

  describe('the contract of invokers', () => {
    it('gives the function the batch as it is, and answers what the function answered', async () => {
      const echoes = async (record: BatchRecord) => {
        expect(await invoker.invoke('echo', aBatch(record))).toEqual(aBatch(record));
      };
      await fc.assert(fc.asyncProperty(anyRecord, echoes), { numRuns: 20 });
    });

    it('leaves it to the bridge to check an answer', async () => {
      expect(await invoker.invoke('babble', aBatch())).toBe('what was the question?');
    });

    it('keeps calls in flight apart', async () => {
      const batches = [1, 2, 3, 4, 5, 6, 7, 8].map((sequence) => aBatch(aRecord(sequence)));
      expect(await Promise.all(batches.map((batch) => invoker.invoke('echo', batch)))).toEqual(batches);
    });

    it('says what a function threw, in its own words', async () => {
      await expect(invoker.invoke('refuse', aBatch())).rejects.toEqual(failure('function_error', /^refuse .*agent a1\s+has no state/));
    });

    it('goes on with the next call', async () => {
      await invoker.invoke('refuse', aBatch()).catch(() => undefined);
      expect(await invoker.invoke('echo', aBatch(aRecord(1)))).toEqual(aBatch(aRecord(1)));
    });

    it.each(['missing', 'stranger'])('blames nobody where the function is %s', async (name) => {
      await expect(invoker.invoke(name, aBatch())).rejects.toEqual(failure('unreachable', new RegExp(name)));
    });

    it('has an answer that is not streamed as one part', async () => {
      expect(await streamed(invoker, 'babble')).toEqual({ text: '"what was the question?"' });
    });
  });
};

/** What an invoker promises of functions that stream; call it with a way to open one that has `streaming-functions.ts`. */
export const streamingContract = (open: () => Promise<Invoker>): void => {
  let invoker: Invoker;
  beforeAll(async () => {
    invoker = await open();
  });

  describe('the contract of streamed answers', () => {
    it('gives the function the batch as it is, and hands on the bytes that it wrote', async () => {
      const repeats = async (record: BatchRecord) => {
        const { text } = await streamed(invoker, 'repeat', aBatch(record));
        expect(JSON.parse(text)).toEqual(aBatch(record));
      };
      await fc.assert(fc.asyncProperty(anyRecord, repeats), { numRuns: 20 });
    });

    it('hands on a part before the function has ended, and may leave it', async () => {
      const parts = invoker.invokeStreamed?.('endless', aBatch())[Symbol.asyncIterator]();
      expect(Buffer.from((await parts?.next())?.value).toString()).toMatch(/^(more)+$/);
      await parts?.return?.();
      expect(await parts?.next()).toEqual({ done: true, value: undefined });
    });

    it('says what a function threw in the middle, after its parts', async () => {
      const error = failure('function_error', /^stumble .*agent a1\s+is gone/);
      expect(await streamed(invoker, 'stumble')).toEqual({ text: 'begun', error });
    });

    it('says what a function threw at once', async () => {
      expect(await streamed(invoker, 'balk')).toEqual({ text: '', error: failure('function_error', /^balk .*agent a1\s+has no state/) });
    });

    it('blames nobody where there is no function', async () => {
      expect(await streamed(invoker, 'stranger')).toEqual({ text: '', error: failure('unreachable', /stranger/) });
    });
  });
};
