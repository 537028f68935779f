/** A binding's filter: what of a record it looks at, how its mistakes are told, and what becomes of what it leaves out. */
import { describe, expect, it, test } from 'vitest';
import { compileFilter, filterMistakes } from '#infra/bridge/filter/record-filter.ts';
import { parseManifest } from '#infra/bridge/manifest/read-manifest.ts';
import { aRecord, fakeWorld } from '#test/support/fake-ports.ts';

const SEVERE = { severity: ['critical', 'high'] };

describe('a filter looks at', () => {
  it.each([
    ['the body', SEVERE, { data: '{"severity":"high"}' }, true],
    ['another body', SEVERE, { data: '{"severity":"low"}' }, false],
    ['the body that serde wrapped', { severity: ['critical'] }, { data: '{"Failure":{"severity":"Critical"}}' }, true],
    [
      'the data of a CloudEvent',
      SEVERE,
      { data: '{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"severity":"high"}}' },
      true,
    ],
    ['the subject', { $subject: [{ suffix: '.a' }] }, { subject: 'in.a' }, true],
    ['another subject', { $subject: [{ suffix: '.a' }] }, { subject: 'in.b' }, false],
    ['headers, whatever their case', { $headers: { 'X-Priority': ['high'] } }, { headers: { 'x-priority': ['low', 'high'] } }, true],
    ['headers that are not there', { $headers: { 'X-Priority': [{ exists: false }] } }, {}, true],
    ['all of them at once', { ...SEVERE, $subject: ['in.b'] }, { data: '{"severity":"high"}', subject: 'in.a' }, false],
    ['one or the other', { $or: [SEVERE, { $headers: { 'X-Force': ['1'] } }] }, { headers: { 'x-force': ['1'] } }, true],
    ['bytes that are no JSON: they have no fields', SEVERE, { data: 'severity' }, false],
    ['an array: it has no fields either', { severity: [{ exists: false }] }, { data: '[{"severity":"high"}]' }, true],
  ])('%s', (_, filter, record, taken) => {
    expect(compileFilter(filter)(aRecord(1, record))).toBe(taken);
  });
});

describe('the mistakes of a filter', () => {
  it.each([
    ['a reserved key that is none', { $header: ['x'] }, [['$header'], 'is not known; reserved are $subject, $headers and $or']],
    [
      'one in a choice',
      { $or: [{ $header: ['x'] }, SEVERE] },
      [['$or', '0', '$header'], 'is not known; reserved are $subject, $headers and $or'],
    ],
    ['a subject with fields', { $subject: { a: ['x'] } }, [['$subject'], 'needs a list of values']],
    ['headers without names', { $headers: ['x'] }, [['$headers'], 'needs header names, each with a list of values']],
    ['headers with fields', { $headers: { a: { b: ['x'] } } }, [['$headers', 'a'], 'needs a list of values']],
  ])('name %s', (_, filter, [path, message] = [[], '']) => {
    expect(filterMistakes(filter as Record<string, unknown>)).toEqual([{ path, message }]);
  });

  const manifest = (event: string) => `provider: {}\nfunctions:\n  f:\n    handler: f.handler\n    events:\n      - nats: ${event}\n`;

  it('are told with all others of serverless.yml', () => {
    const event = '{ request: a, batchSize: 0, filter: { severity: high, $subject: [{ prefix: 1 }] } }';
    const at = 'functions.f.events.0.nats';
    expect(() => parseManifest(manifest(event), 'serverless.yml')).toThrow(
      new RegExp(`${at}.batchSize: .*${at}.filter.severity: needs a list of values; ${at}.filter.\\$subject.0.prefix: needs text`),
    );
  });

  it('include one beside a schedule, which has nothing to filter', () => {
    const event = '{ name: sweep, schedule: 60, filter: { a: [1] } }';
    expect(() => parseManifest(manifest(event), 'serverless.yml')).toThrow(/filter: goes with stream, core and request only/);
  });

  it('are none where the pattern is one, and the binding has it', () => {
    const [fn] = parseManifest(manifest('{ request: a, filter: { a: [1, null] } }'), 'serverless.yml').functions;
    expect(fn?.bindings[0]?.filter).toEqual({ a: [1, null] });
  });
});

test('what a filter leaves out is acked at once, and reaches neither lane nor function', async () => {
  const world = fakeWorld({ binding: { filter: SEVERE, batchWindow: 50 } });
  world.deliver(aRecord(1, { data: '{"severity":"low"}' }), aRecord(2, { data: '{"severity":"high"}' }), aRecord(3));
  expect([world.said, world.room()]).toEqual([['1 ack', '3 ack'], 9_999]);
  await world.time.advance(100);
  expect([world.asked(), world.said]).toEqual([['2'], ['1 ack', '3 ack', '2 ack']]);
});

test('what is left out of a folding binding stands for nobody', async () => {
  const source = { kind: 'core' as const, subjects: ['in.>'], fold: 'latest' as const };
  const world = fakeWorld({ eventSource: 'nats:core', binding: { source, filter: SEVERE, batchWindow: 50 } });
  world.deliver(aRecord(1, { data: '{"severity":"high"}' }), aRecord(2, { data: '{"severity":"low"}' }));
  await world.time.advance(100);
  expect(world.batches[0]?.Records.map(({ sequence, folded }) => [sequence, folded])).toEqual([[1, undefined]]);
});
