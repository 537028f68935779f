/** Rule 9: a message that is tried again holds back the later ones of its key. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvokeError } from '#infra/bridge/ports/ports.ts';
import type { Batch } from '#shared/contract.ts';
import { anAnswer, aRecord, fakeWorld } from '#test/support/fake-ports.ts';

const ordered = (over: object = {}) => {
  const world = fakeWorld({ binding: { ordered: true, ...over } });
  const started = world.time.now();
  return Object.assign(world, { elapsed: () => world.time.now() - started });
};
const about = (key: string, ...sequences: number[]) => sequences.map((sequence) => aRecord(sequence, { subject: `in.${key}` }));
const failing = (batch: Batch, ...sequences: number[]) =>
  anAnswer({
    batchItemFailures: batch.Records.filter(({ sequence }) => sequences.includes(sequence)).map(({ id }) => ({
      itemIdentifier: id,
      reason: { code: 'no', message: 'not now' },
    })),
  });

describe('an ordered binding', () => {
  it('holds a key’s later messages back until the earlier one is settled; other keys go on', async () => {
    const world = ordered();
    world.answer = async (batch) => (world.elapsed() < 500 ? failing(batch, 1) : anAnswer());
    world.deliver(...about('a', 1, 2), ...about('b', 3));
    await world.time.advance(100);
    world.deliver(...about('a', 4), ...about('b', 5));
    await world.time.advance(5000);
    expect([world.asked(), world.said]).toEqual([
      ['1', '3', '5', '1', '2 4'],
      ['3 ack', '5 ack', '1 ack', '2 ack', '4 ack'],
    ]);
  });

  it('tells the function, so that it holds back within a batch', async () => {
    const world = ordered();
    world.deliver(...about('a', 1));
    await world.time.advance(10);
    expect(world.batches[0]?.ordered).toBe(true);
  });

  it('counts no attempt of what only waited', async () => {
    const world = ordered({ batchWindow: 5, retry: { attempts: 3, backoff: [100], maxAge: 3_600_000 } });
    world.answer = async (batch) =>
      batch.settle ? anAnswer({ tombstoned: [aRecord(1).id] }) : failing(batch, 1, ...(batch.Records[0]?.sequence === 1 ? [2] : []));
    world.deliver(...about('a', 1, 2));
    await world.time.advance(5000);
    expect([world.published.map(({ subject, headers }) => [subject, headers?.['X-Dead-Letter-Sequence']]), world.said]).toEqual([
      [['dlq.in.a', ['1']]],
      ['1 ack', '2 ack'],
    ]);
  });

  it('lets the later ones go on behind a dead letter at once', async () => {
    const world = ordered({ batchWindow: 5 });
    world.answer = async (batch) => {
      const answer = failing(batch, 1);
      for (const failure of answer.batchItemFailures) failure.deadLetter = true;
      return answer;
    };
    world.deliver(...about('a', 1, 2));
    await world.time.advance(100);
    expect([world.published.length, world.said]).toEqual([1, ['2 ack', '1 ack']]);
  });

  it('makes the second half of a bisect wait for the first', async () => {
    const world = ordered({ batchWindow: 5 });
    world.answer = async (batch) => {
      if (batch.Records.some(({ sequence }) => sequence === 1) && world.elapsed() < 500) throw new InvokeError('function_error', 'poison');
      return anAnswer();
    };
    world.deliver(...about('a', 1, 2), ...about('b', 3));
    await world.time.advance(5000);
    expect(world.asked()).toEqual(['1 2 3', '1 2', '1', '3', '1', '2']);
  });

  it('gives everything back when it is drained', async () => {
    const world = ordered();
    world.answer = async (batch) => failing(batch, 1);
    world.deliver(...about('a', 1));
    await world.time.advance(100);
    world.deliver(...about('a', 2));
    const drained = world.dispatcher.drain();
    await world.time.advance(10);
    await drained;
    expect(world.said).toEqual(['stop', '1 nak 0', '2 nak 0']);
  });

  it('never lets a key’s message be done before an earlier one, whatever fails', async () => {
    const scene = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), fails: fc.nat(2), gap: fc.nat(300) }), { maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(scene, fc.constantFrom(0, 20), async (messages, batchWindow) => {
        const world = ordered({ batchWindow, retry: { attempts: 9, backoff: [50, 300], maxAge: 3_600_000 } });
        const left = new Map(messages.map(({ fails }, n) => [n + 1, fails]));
        const done: { subject: string; sequence: number }[] = [];
        world.answer = async (batch) => {
          const bad = batch.Records.filter(({ sequence }) => (left.get(sequence) ?? 0) > 0).map(({ sequence }) => sequence);
          for (const sequence of bad) left.set(sequence, (left.get(sequence) as number) - 1);
          // As the engine does: what stands behind a failed one of its entity is held back.
          const held = batch.Records.filter(({ sequence, subject }) =>
            batch.Records.some((other) => other.subject === subject && other.sequence < sequence && bad.includes(other.sequence)),
          ).map(({ sequence }) => sequence);
          done.push(...batch.Records.filter(({ sequence }) => !bad.includes(sequence) && !held.includes(sequence)));
          return failing(batch, ...bad, ...held);
        };
        for (const [n, { key, gap }] of messages.entries()) {
          world.deliver(...about(key, n + 1));
          await world.time.advance(gap);
        }
        await world.time.advance(20_000);
        for (const ofKey of Map.groupBy(done, ({ subject }) => subject).values())
          expect(ofKey).toEqual(ofKey.toSorted((a, b) => a.sequence - b.sequence));
        expect(done.length).toBe(messages.length);
      }),
      { numRuns: 200 },
    );
  });
});
