/** Since when a function hears: from the bridge's sources to the alarm that a decision sees. */
import type { Context } from 'aws-lambda';
import { expect, test } from 'vitest';
import { healths } from '#functions/health-monitor/decide.ts';
import { heardSince } from '#infra/bridge/dispatch/heard-since.ts';
import type { Binding } from '#infra/bridge/manifest/manifest.ts';
import type { Batch, BatchRecord } from '#shared/contract.ts';
import { type DecodedBatch, decode } from '#shared/function/decode.ts';
import { aBinding, aFunction, aRecord, fakeWorld } from '#test/support/fake-ports.ts';

const core = (name: string): Binding => aBinding({ name, source: { kind: 'core', subjects: ['in.*'], fold: 'latest' } });
const fn = aFunction({ bindings: [core('fn.beats'), core('fn.others')] });
const attached = (name: string, since: number) => ({ name, closing: false, source: { heardSince: () => since } }) as never;
const clock = { now: () => 900, after: () => () => {} };

test('it is since when the last of its core bindings hears', () => {
  expect(heardSince({ fn, clock, attached: [attached('fn.beats', 100), attached('fn.others', 200)] })).toBe(200);
});

test('it is now while one of them is paused', () => {
  expect(heardSince({ fn, clock, attached: [attached('fn.beats', 100)] })).toBe(900);
});

test('it is nothing where there is none', () => {
  expect(heardSince({ fn: aFunction({ bindings: [aBinding()] }), clock, attached: [] })).toBe(undefined);
});

test.each([
  ['alarms tell it', { name: 'fn.alarms', alarms: true }, true],
  ['other messages do not', {}, false],
] as const)('%s', async (_, binding, told) => {
  const world = fakeWorld({ fn, binding });
  world.deliver(aRecord(1));
  await world.time.advance(10);
  expect(world.batches.map((batch) => 'heardSince' in batch)).toEqual([told]);
});

const alarm = (body: object): BatchRecord =>
  aRecord(1, { subject: 'timers.due.health-monitor.health.a1.x', data: JSON.stringify({ due: '2026-01-01T00:00:00.000Z', ...body }) });

const decoded = async (record: BatchRecord, over: Partial<Batch>) => {
  const event = { binding: 'health-monitor.alarms', Records: [record], ...over } as DecodedBatch;
  const middleware = decode({ name: 'health-monitor', entities: [healths], queries: [] });
  await middleware.before?.({ event, context: {} as Context, response: undefined as never, error: null, internal: {} });
  return event.decoded.works.map((work) => work.event);
};

test('a decision sees it in the alarm, and whether the sweep rings', async () => {
  const due = Date.UTC(2026, 0, 1);
  const plain = { message: 'alarm', due, key: 'health#a1' };
  expect(await decoded(alarm({}), {})).toEqual([plain]);
  expect(await decoded(alarm({ swept: true }), { heardSince: '2026-01-01T00:00:01.000Z' })).toEqual([
    { ...plain, heardSince: due + 1000, swept: true },
  ]);
});
