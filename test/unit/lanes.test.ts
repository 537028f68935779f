import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLanes, type Queue, type Queueable } from '#infra/bridge/dispatch/lanes.ts';
import { virtualTime } from '#test/sim/virtual-time.ts';

type Item = Queueable & { n: number };

/** Lanes whose batches take `ms` each. */
const setup = ({ count = 1, ms = 10 } = {}) => {
  const time = virtualTime(0);
  const started: { queue: string; at: number; items: number[] }[] = [];
  const inFlight = new Map<string, number>();
  let mostAtOnce = 0;
  const lanes = createLanes<Queue, Item>({
    count,
    clock: time.clock(),
    run: (queue, batch) => {
      started.push({ queue: queue.name, at: time.now(), items: batch.map(({ n }) => n) });
      for (const { key } of batch) inFlight.set(key, (inFlight.get(key) ?? 0) + 1);
      for (const key of new Set(batch.map((item) => item.key)))
        if (inFlight.get(key) !== batch.filter((item) => item.key === key).length) mostAtOnce = 2;
      return new Promise((resolve) => {
        time.at(time.now() + ms, () => {
          for (const { key } of batch) inFlight.set(key, (inFlight.get(key) ?? 0) - 1);
          resolve();
        });
      });
    },
  });
  const offer = (n: number, over: Partial<Item> = {}, queue: Queue = aQueue()) =>
    lanes.offer(queue, { n, key: 'a', bytes: 1, queuedAt: time.now(), alone: false, ...over });
  return { time, lanes, started, offer, keyRanTwice: () => mostAtOnce > 1 };
};

const aQueue = (over: Partial<Queue['batching']> = {}, name = 'q'): Queue => ({
  name,
  batching: { size: 10, window: 0, bytes: 100, ...over },
});

describe('lanes', () => {
  it('runs what arrives during a batch as the next batch', async () => {
    const { time, started, offer } = setup();
    for (const n of [1, 2, 3]) offer(n);
    await time.advance(100);
    expect(started).toEqual([
      { queue: 'q', at: 0, items: [1] },
      { queue: 'q', at: 10, items: [2, 3] },
    ]);
  });

  it('closes a batch by size', async () => {
    const { time, started, offer } = setup();
    for (const n of [1, 2, 3, 4]) offer(n, {}, aQueue({ size: 2, window: 50 }));
    await time.advance(100);
    expect(started.map(({ at, items }) => [at, items])).toEqual([
      [0, [1, 2]],
      [10, [3, 4]],
    ]);
  });

  it('closes a batch by its window, counted from its first message', async () => {
    const { time, started, offer } = setup();
    offer(1, {}, aQueue({ window: 50 }));
    await time.advance(30);
    offer(2, {}, aQueue({ window: 50 }));
    await time.advance(100);
    expect(started).toEqual([{ queue: 'q', at: 50, items: [1, 2] }]);
  });

  it('closes a batch by bytes', async () => {
    const { time, started, offer } = setup();
    for (const n of [1, 2, 3]) offer(n, { bytes: 50 }, aQueue({ window: 500 }));
    await time.advance(100);
    expect(started).toEqual([{ queue: 'q', at: 0, items: [1, 2] }]);
  });

  it('runs a message that is larger than a batch', async () => {
    const { time, started, offer } = setup();
    offer(1, { bytes: 1000 });
    await time.advance(100);
    expect(started[0]?.items).toEqual([1]);
  });

  it('gives a message that must be alone a batch of its own', async () => {
    const { time, started, offer } = setup();
    offer(0);
    for (const n of [1, 2, 3]) offer(n, { alone: n === 2 });
    await time.advance(100);
    expect(started.map(({ items }) => items)).toEqual([[0], [1], [2], [3]]);
  });

  it('takes the queue whose batch has been due longest', async () => {
    const { time, started, offer } = setup();
    offer(0);
    await time.advance(1);
    offer(1, {}, aQueue({}, 'first'));
    await time.advance(1);
    offer(2, {}, aQueue({}, 'second'));
    await time.advance(100);
    expect(started.map(({ queue }) => queue)).toEqual(['q', 'first', 'second']);
  });

  it('lets other keys go on while one is busy', async () => {
    const { time, started, offer } = setup({ count: 2 });
    offer(1, { key: 'a' });
    offer(2, { key: 'b' });
    await time.advance(0);
    expect(started.map(({ at }) => at)).toEqual([0, 0]);
  });

  it('gives back what waits when it closes, and waits for what runs', async () => {
    const { time, lanes, started, offer } = setup();
    offer(1);
    offer(2);
    const closed = lanes.close();
    await time.advance(100);
    expect((await closed).map(({ n }) => n)).toEqual([2]);
    expect([started.length, lanes.depth()]).toEqual([1, 0]);
  });

  it('never runs a key twice at once, loses nothing and keeps the order of a key', async () => {
    const arrival = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      after: fc.nat(15),
      alone: fc.boolean(),
      window: fc.constantFrom(0, 20),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(arrival, { maxLength: 40 }), fc.integer({ min: 1, max: 3 }), async (arrivals, count) => {
        const { time, started, offer, keyRanTwice } = setup({ count });
        for (const [n, { key, after, alone, window }] of arrivals.entries()) {
          await time.advance(after);
          offer(n, { key, alone }, aQueue({ size: 3, window }));
        }
        await time.advance(1000);
        const ran = started.flatMap(({ items }) => items);
        const ofKey = (key: string) => ran.filter((n) => arrivals[n]?.key === key);
        expect(ran.toSorted((a, b) => a - b)).toEqual(arrivals.map((_, n) => n));
        for (const key of ['a', 'b', 'c', 'd']) expect(ofKey(key)).toEqual(ofKey(key).toSorted((a, b) => a - b));
        expect(keyRanTwice()).toBe(false);
      }),
      { numRuns: 100 },
    );
  });
});
