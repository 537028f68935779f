/** Additive increase, multiplicative decrease of the invocations in flight. */
import { describe, expect, it } from 'vitest';
import { createConcurrency, type Permit } from '#infra/bridge/dispatch/concurrency.ts';
import { InvokeError } from '#infra/bridge/ports/ports.ts';
import { anAnswer, aRecord, fakeWorld } from '#test/support/fake-ports.ts';

const enter = (concurrency: ReturnType<typeof createConcurrency>, n: number) =>
  Promise.all(Array.from({ length: n }, () => concurrency.enter()));

describe('concurrency', () => {
  it('is halved by a refusal, once only for all that were in flight together', async () => {
    const concurrency = createConcurrency(8);
    for (const permit of await enter(concurrency, 8)) permit.end('refused');
    expect(concurrency.limit()).toBe(4);
  });

  it('is never less than one', async () => {
    const concurrency = createConcurrency(4);
    for (let n = 0; n < 5; n++) (await concurrency.enter()).end('refused');
    expect(concurrency.limit()).toBe(1);
  });

  it('grows by about one for each round of answers, up to the lanes', async () => {
    const concurrency = createConcurrency(4);
    for (let n = 0; n < 2; n++) (await concurrency.enter()).end('refused');
    const limits = [concurrency.limit()];
    for (let round = 0; round < 6; round++) {
      for (const permit of await enter(concurrency, concurrency.limit())) permit.end('answered');
      limits.push(concurrency.limit());
    }
    expect(limits).toEqual([1, 2, 2, 3, 4, 4, 4]);
  });

  it('lets those wait that are too many, and in by turns', async () => {
    const concurrency = createConcurrency(1);
    const order: number[] = [];
    const first = (await concurrency.enter()) as Permit;
    const others = [1, 2].map(async (n) => {
      const permit = await concurrency.enter();
      order.push(n);
      permit.end('answered');
    });
    first.end('answered');
    await Promise.all(others);
    expect(order).toEqual([1, 2]);
  });

  it('of a dispatcher goes down while the function is throttled, and up again', async () => {
    const world = fakeWorld({ fn: { concurrency: 4 }, binding: { groupBy: undefined } });
    const mended = world.time.now() + 1000;
    world.answer = async () => {
      if (world.time.now() < mended) throw new InvokeError('throttled', 'too many at once');
      return anAnswer();
    };
    world.deliver(...Array.from({ length: 4 }, (_, n) => aRecord(n + 1)));
    await world.time.advance(900);
    const throttled = world.dispatcher.concurrency();
    for (let n = 5; n < 40; n++) {
      world.deliver(aRecord(n));
      await world.time.advance(300);
    }
    expect([throttled, world.dispatcher.concurrency(), world.said.length]).toEqual([1, 4, 39]);
  });
});
