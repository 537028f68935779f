/** A function that throws, hangs, answers garbage or publishes where it may not: its record ends in a dead letter, the others live. */
import { afterEach, expect, test } from 'vitest';
import { type Bridge, startBridge } from '#infra/bridge/bridge.ts';
import { handlerInvoker, type LocalHandler } from '#infra/bridge/invoke/local-invoker.ts';
import type { Answer, Batch } from '#shared/contract.ts';
import { setupNats } from '#test/support/nats.ts';
import { collect } from '#test/support/stack.ts';

const WITHIN = { timeout: 20_000, interval: 20 };
const NOTHING: Answer = { batchItemFailures: [], publish: [], timers: [] };

let cleanup: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const clean of cleanup.reverse()) await clean();
  cleanup = [];
});

/** A stack of one function; answers what it dead-letters and which records it finished. */
const setup = async (handle: (batch: Batch) => Promise<unknown>) => {
  const nats = await setupNats({ streams: true });
  const nc = nats.connection;
  const finished: string[] = [];
  const handler: LocalHandler = async (batch) => {
    if (batch.settle) return { ...NOTHING, tombstoned: batch.Records.map(({ id }) => id) };
    const answer = await handle(batch);
    finished.push(...batch.Records.map(({ data }) => data));
    return answer;
  };
  const source = { kind: 'jetstream' as const, stream: 'SUPERVISION_EVENTS', subjects: ['supervision.health.*'] };
  const binding = { name: 'faulty.health', function: 'faulty', source, batchSize: 10, batchWindow: 50, groupBy: undefined };
  const retry = { attempts: 2, backoff: [50], maxAge: 60_000 };
  const fn = {
    name: 'faulty',
    handler: { module: '', export: '' },
    timeout: 300,
    concurrency: 1,
    environment: {},
    publishes: ['alerts.low'],
    own: false,
  };
  const manifest = { functions: [{ ...fn, bindings: [{ ...binding, retry }] }] };
  const bridge: Bridge = await startBridge({
    manifest,
    connection: nc,
    invoker: handlerInvoker(new Map([['faulty', handler]])),
    log: () => {},
  });
  cleanup = [() => nats.stop(), () => bridge.drain(5000)];
  const dead = await collect(nc, 'dlq.>');
  for (const data of ['good-1', 'bad', 'good-2']) nc.publish('supervision.health.a', data);
  await nc.flush();
  return { dead, finished };
};

const whenBad = (fault: () => unknown) => async (batch: Batch) => (batch.Records.some(({ data }) => data === 'bad') ? fault() : NOTHING);

test('throws', async () => {
  const { dead, finished } = await setup(
    whenBad(() => {
      throw new Error('cannot take this');
    }),
  );
  await expect
    .poll(() => dead.map(({ text, headers }) => [text, headers['X-Dead-Letter-Reason']]), WITHIN)
    .toEqual([['bad', 'faulty threw: cannot take this']]);
  expect(finished.toSorted()).toEqual(['good-1', 'good-2']);
});

test('hangs', async () => {
  const { dead, finished } = await setup(whenBad(() => new Promise(() => {})));
  await expect
    .poll(() => dead.map(({ text, headers }) => [text, headers['X-Dead-Letter-Code']]), { timeout: 60_000, interval: 50 })
    .toEqual([['bad', 'timeout']]);
  expect(finished.toSorted()).toEqual(['good-1', 'good-2']);
}, 90_000);

test('answers garbage', async () => {
  const { dead } = await setup(async (batch) => (batch.Records.some(({ data }) => data === 'bad') ? 'garbage' : NOTHING));
  await expect.poll(() => dead.map(({ text, headers }) => [text, headers['X-Dead-Letter-Code']]), WITHIN).toEqual([['bad', 'malformed']]);
});

test('publishes where it may not', async () => {
  const publishing = async (batch: Batch) => ({
    ...NOTHING,
    publish: batch.Records.filter(({ data }) => data === 'bad').map(({ id }) => ({ cause: id, subject: 'circuit.db.open', data: '{}' })),
  });
  const { dead } = await setup(publishing);
  await expect
    .poll(() => dead.map(({ text, headers }) => [text, headers['X-Dead-Letter-Code']]), WITHIN)
    .toEqual([['bad', 'publish_refused']]);
});
