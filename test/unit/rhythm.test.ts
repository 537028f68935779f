import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { measureRhythms } from '#infra/bridge/dispatch/rhythm.ts';
import type { Binding } from '#infra/bridge/manifest/manifest.ts';
import { aRecord, fakeWorld } from '#test/support/fake-ports.ts';

const beats: Partial<Binding> = { source: { kind: 'core', subjects: ['in.*'], fold: 'latest' }, batchWindow: 5 };

describe('the rhythm of a key', () => {
  test('is of all the tokens of which the key is made', async () => {
    const world = fakeWorld({ binding: { ...beats, groupBy: { tokens: [2, 3] } }, eventSource: 'nats:core' });
    for (const [n, subject] of ['in.a.x', 'in.a.y', 'in.b.x', 'in.a.x'].entries()) world.deliver(aRecord(n + 1, { subject }));
    await world.time.advance(10);
    expect(world.batches.flatMap(({ Records }) => Records.map(({ subject, folded }) => [subject, folded?.count]))).toEqual([
      ['in.a.x', 2],
      ['in.a.y', undefined],
      ['in.b.x', undefined],
    ]);
  });

  test('is the mean and the deviation of its intervals, as long as they are few', () => {
    const intervals = fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(intervals, (all) => {
        const rhythms = measureRhythms();
        let at = 0;
        let last = rhythms.arrived('a', at);
        for (const interval of all) {
          at += interval;
          last = rhythms.arrived('a', at);
        }
        const mean = all.reduce((sum, one) => sum + one, 0) / all.length;
        const variance = all.reduce((sum, one) => sum + (one - mean) ** 2, 0) / all.length;
        expect(last).toEqual({
          intervals: all.length,
          mean_ms: expect.closeTo(mean, 5),
          deviation_ms: expect.closeTo(Math.sqrt(variance), 5),
        });
      }),
    );
  });

  test('follows one that changed', () => {
    const rhythms = measureRhythms();
    for (let at = 0; at < 100_000; at += 1000) rhythms.arrived('a', at);
    let last = rhythms.arrived('a', 100_000);
    for (let at = 102_000; at < 2_000_000; at += 2000) last = rhythms.arrived('a', at);
    expect(last?.mean_ms).toBeCloseTo(2000, -1);
  });

  test('is not spoilt by a pause: it is measured anew behind it', () => {
    const rhythms = measureRhythms();
    const seen = [0, 1000, 2000, 60_000, 61_000].map((at) => rhythms.arrived('a', at)?.mean_ms);
    expect(seen).toEqual([undefined, 1000, 1000, undefined, 1000]);
  });

  test('is forgotten of the key that was silent longest', () => {
    const rhythms = measureRhythms(2);
    for (const [key, at] of [
      ['a', 0],
      ['b', 1],
      ['a', 2],
      ['c', 3],
    ] as const)
      rhythms.arrived(key, at);
    expect([rhythms.arrived('a', 4)?.intervals, rhythms.arrived('b', 5)]).toEqual([2, undefined]);
  });

  test('comes with what stands for the messages of a key, those that were folded counted', async () => {
    const world = fakeWorld({ binding: beats, eventSource: 'nats:core' });
    world.deliver(aRecord(1));
    await world.time.advance(2);
    world.deliver(aRecord(2), aRecord(3, { subject: 'in.b' }));
    await world.time.advance(10);
    expect(world.batches[0]?.Records.map(({ subject, rhythm }) => [subject, rhythm])).toEqual([
      ['in.a', { intervals: 1, mean_ms: 2, deviation_ms: 0 }],
      ['in.b', undefined],
    ]);
  });
});
