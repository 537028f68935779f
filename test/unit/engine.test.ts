import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { Context, Decision } from '#shared/entity/entity.ts';
import type { Kind } from '#shared/entity/kind.ts';
import type { Reader } from '#shared/entity/reader.ts';
import type { Store } from '#shared/entity/store.ts';
import { memoryStore } from '#test/sim/memory-store.ts';
import { add, type Counter, counters, engineWorld, nothing, START } from '#test/support/engine-world.ts';

const done = (...sums: number[]) => ({ result: 'done', publish: sums.map((sum) => ({ subject: 'out.a', data: `{"sum":${sum}}` })) });
const failed = (code: string, message?: string) => ({
  result: 'failed',
  failure: { reason: { code, ...(message ? { message } : { message: expect.any(String) }) } },
});
/** Its states may be as large as a test likes. */
const fatKind = { kind: 'counter', schema: z.looseObject({ sum: z.number() }), version: 1 };
const core = (bridge: string) => ({ eventSource: 'nats:core' as const, consumer: `core@1/fn.beats.${bridge}` });

describe('one effect a record', () => {
  it('a batch about one entity is one read and one write', async () => {
    const world = engineWorld();
    const { outcome } = await world.run([1, 2, 3].map((n) => world.work(n, add(n))));
    expect([outcome, world.writes()]).toEqual([{ 1: done(1), 2: done(3), 3: done(6) }, 1]);
    expect(await world.item()).toMatchObject({ version: 1, state: { sum: 6 } });
  });

  it('a redelivered record changes nothing and answers its stored outputs', async () => {
    const world = engineWorld();
    await world.run([world.work(1, add(1)), world.work(2, add(2))]);
    const { outcome } = await world.run([world.work(1, add(100))]);
    expect([outcome, (await world.item())?.state, world.writes()]).toEqual([{ 1: done(1) }, { sum: 3 }, 1]);
  });

  it('a record twice in a batch counts once, with and without a stream', async () => {
    for (const source of [{}, core('b1')]) {
      const world = engineWorld();
      await world.run([world.work(1, add(1)), world.work(1, add(1))], source);
      expect((await world.item())?.state).toEqual({ sum: 1 });
    }
  });

  it('a record at or below the floor is done', async () => {
    const world = engineWorld();
    const { outcome } = await world.run([world.work(5, add(1))], { floor: world.floor(5) });
    expect([outcome, await world.item()]).toEqual([{ 5: { result: 'done', publish: [] } }, undefined]);
  });

  it('a record that was stored after the floor was read is another one: the stream lost its tail', async () => {
    const world = engineWorld();
    await world.run([world.work(5, add(1))], { floor: world.floor(5, 4) });
    expect((await world.item())?.state).toEqual({ sum: 1 });
  });

  it('a floor seen once holds, also when the consumer has lost its state', async () => {
    const world = engineWorld();
    await world.run([world.work(5, add(1))]);
    await world.run([world.work(6, add(1))], { floor: world.floor(5) });
    await world.run([world.work(5, add(1))], { floor: world.floor(0) });
    expect((await world.item())?.state).toEqual({ sum: 2 });
  });

  it('what the floor has passed is forgotten', async () => {
    const world = engineWorld();
    for (let n = 1; n <= 9; n++) await world.run([world.work(n, add(1))], { floor: world.floor(n - 1) });
    const item = await world.item();
    expect([item?.applied['EVENTS@1/fn_events.1'], Object.keys(item?.outbox ?? {})]).toEqual([
      { floor: { sequence: 8, asOf: START + 8 }, above: [[9, START + 9]] },
      [`EVENTS@1:9:${START + 9}`],
    ]);
  });

  it('the same sequence of another consumer is another record', async () => {
    const world = engineWorld();
    await world.run([world.work(1, add(1))]);
    await world.run([world.work(1, add(1))], { consumer: 'EVENTS@2/fn_events.1' });
    expect((await world.item())?.state).toEqual({ sum: 2 });
  });
});

describe('what changes nothing', () => {
  it('costs no write', async () => {
    const world = engineWorld();
    const { outcome } = await world.run([world.work(1, nothing)]);
    expect([outcome, world.writes()]).toEqual([{ 1: { result: 'done', publish: [] } }, 0]);
  });

  it('is recorded when the entity is written anyway, so that it cannot act later', async () => {
    const world = engineWorld();
    await world.run([world.work(1, nothing), world.work(2, add(1))]);
    await world.run([world.work(1, add(100))]);
    expect((await world.item())?.state).toEqual({ sum: 1 });
  });

  it('but publishes is always written: one message id has one content', async () => {
    const world = engineWorld();
    const say = (text: string) => (): Decision<Counter> => ({ outcome: 'done', publish: [{ subject: 'out.a', body: { text } }] });
    await world.run([world.work(1, say('first'))]);
    const { outcome } = await world.run([world.work(1, say('second'))]);
    expect(outcome[1]).toEqual({ result: 'done', publish: [{ subject: 'out.a', data: '{"text":"first"}' }] });
  });
});

describe('an entity that a message begins', () => {
  const begins = () => true;

  it('is not loaded before its first write', async () => {
    const world = engineWorld({ spec: { begins } });
    await world.run([world.work(1, add(1))]);
    expect([world.loaded, (await world.item())?.state]).toEqual([[], { sum: 1 }]);
  });

  it('and that is there already is loaded, and the record decided on it', async () => {
    const world = engineWorld({ spec: { begins } });
    await world.run([world.work(1, add(1))]);
    const { outcome } = await world.run([world.work(2, add(1))]);
    expect([outcome[2], (await world.item())?.state]).toEqual([done(2), { sum: 2 }]);
  });

  it('is loaded for a record that comes again, which is answered as before', async () => {
    const world = engineWorld({ spec: { begins } });
    const first = await world.run([world.work(1, add(1))]);
    const again = await world.run([world.work(1, add(1), 'a', { deliveries: 2 })]);
    expect([again.outcome[1], (await world.item())?.version]).toEqual([first.outcome[1], 1]);
  });

  it('is loaded before children are put, which would overwrite those that are there', async () => {
    const world = engineWorld({ spec: { begins } });
    const say = (state?: Counter): Decision<Counter> => {
      const sum = (state?.sum ?? 0) + 1;
      return { outcome: 'done', state: { sum }, publish: [{ subject: 'out.a', body: `${sum} ${'x'.repeat(70_000)}` }] };
    };
    await world.run([world.work(1, add(1))]);
    const first = await world.run([world.work(2, say)]);
    const again = await world.run([world.work(2, say, 'a', { deliveries: 2 }), world.work(3, say)]);
    expect(again.outcome[2]).toEqual(first.outcome[2]);
  });

  it('leaves the order of an ordered batch as it is, when a guess was wrong', async () => {
    const world = engineWorld({ spec: { begins } });
    const waits = (state?: Counter): Decision<Counter> =>
      state?.sum === 1
        ? { outcome: 'retry', afterMs: 1, reason: { code: 'x', message: 'x' } }
        : { outcome: 'done', state: { sum: (state?.sum ?? 0) * 10 } };
    await world.run([world.work(1, add(4))]);
    await world.run([world.work(2, add(1)), world.work(3, waits)], { ordered: true });
    expect((await world.item())?.state).toEqual({ sum: 50 });
  });

  it.each([
    ['refuses it', { outcome: 'deadLetter', reason: { code: 'x', message: 'x' } }],
    ['would have it later', { outcome: 'retry', afterMs: 1, reason: { code: 'x', message: 'x' } }],
    ['does nothing', { outcome: 'done' }],
  ] satisfies [string, Decision<Counter>][])(
    'and is there already is loaded where the decision %s, for no write finds out',
    async (_, otherwise) => {
      const world = engineWorld({ spec: { begins } });
      const ifNew = (state: Counter | undefined): Decision<Counter> =>
        state ? { outcome: 'done', state: { sum: state.sum + 1 } } : otherwise;
      const first = await world.run([world.work(1, ifNew)]);
      await world.run([world.work(2, add(1))]);
      await world.run([world.work(3, ifNew)]);
      expect([first.outcome[1]?.result, (await world.item())?.state]).toEqual([
        otherwise.outcome === 'done' ? 'done' : 'failed',
        { sum: 2 },
      ]);
    },
  );
});

describe('writers that meet', () => {
  /** A store on which somebody else writes between this engine's read and its write, `times` times. */
  const contested = (times: number, meanwhile: (store: Store) => Promise<unknown>) => {
    const store = memoryStore();
    let left = times;
    const write: Store['write'] = async (units) => {
      if (left-- > 0) await meanwhile(store);
      return store.write(units);
    };
    return { ...store, write };
  };
  const another = async (store: Store) => {
    const item = (await store.load(['counter#a'])).get('counter#a');
    const sum = ((item?.state as Counter | undefined)?.sum ?? 0) + 10;
    const next = {
      key: 'counter#a',
      schema: 1,
      applied: {},
      outbox: {},
      ...item,
      version: (item?.version ?? 0) + 1,
      state: { sum },
      nonce: `else ${item?.nonce}`,
    } as const;
    await store.write([[next]]);
  };

  it('a decision on a state that changed meanwhile is made again', async () => {
    const world = engineWorld({ store: contested(2, another) });
    const { outcome } = await world.run([world.work(1, add(1))]);
    expect([outcome, (await world.item())?.state]).toEqual([{ 1: done(21) }, { sum: 21 }]);
  });

  it('a record that never gets through fails, and answers no output and no alarm', async () => {
    const world = engineWorld({ store: contested(99, another) });
    const { outcome, timers } = await world.run([world.work(1, add(1))]);
    expect([outcome, timers]).toEqual([{ 1: failed('conflict') }, []]);
  });

  it('its own write that landed, with the answer lost, is not a conflict', async () => {
    const store = memoryStore();
    const twice: Store['write'] = (units) => store.write(units).then(() => store.write(units));
    const world = engineWorld({ store: { ...store, write: twice } });
    const { outcome } = await world.run([world.work(1, add(1))], core('b1'));
    expect([outcome, (await world.item())?.state]).toEqual([{ 1: done(1) }, { sum: 1 }]);
  });

  it('nor is it when another writer came between', async () => {
    const store = memoryStore();
    const world = engineWorld({
      store: {
        ...store,
        write: async (units) => {
          await store.write(units);
          await another(store);
          return store.write(units);
        },
      },
    });
    const { outcome } = await world.run([world.work(1, add(1))], core('b1'));
    expect([outcome, (await world.item())?.state]).toEqual([{ 1: done(1) }, { sum: 11 }]);
  });

  it('a conflict that cannot be looked into fails its records: they may have acted', async () => {
    const store = memoryStore();
    let reads = 0;
    const load: Store['load'] = (keys) => (reads++ > 0 ? Promise.reject(new Error('busy')) : store.load(keys));
    const world = engineWorld({ store: { ...contested(1, another), load } });
    const { outcome } = await world.run([world.work(1, add(1))], core('b1'));
    expect(outcome[1]).toMatchObject(failed('table_unavailable'));
  });

  it('a write that fails takes its own entity’s records along, no others', async () => {
    const store = memoryStore();
    const write: Store['write'] = async (units) => {
      const results = await store.write(units.filter(([item]) => item?.key !== 'counter#b'));
      return units.map(([item]) =>
        item?.key === 'counter#b' ? { result: 'failed', error: new Error('throttled') } : (results.shift() as never),
      );
    };
    const world = engineWorld({ store: { ...store, write } });
    const { outcome } = await world.run([world.work(1, add(1)), world.work(2, add(1), 'b')]);
    expect(outcome).toEqual({ 1: done(1), 2: { ...failed('table_unavailable', 'throttled'), error: expect.any(Error) } });
  });
});

describe('time', () => {
  it('begins no write after the deadline', async () => {
    const store = memoryStore();
    const slowly: Store['load'] = async (keys) => {
      await new Promise<void>((resolve) => world.time.at(START + 2000, resolve));
      return store.load(keys);
    };
    const world = engineWorld({ store: { ...store, load: slowly } });
    const { outcome, timers } = await world.run([world.work(1, add(1))], { deadline: new Date(START + 1000).toISOString() });
    expect([outcome, timers, world.writes()]).toEqual([{ 1: failed('deadline') }, [], 0]);
  });

  it('an alarm is answered for every entity touched, with the item’s version, also when nothing changed', async () => {
    const world = engineWorld();
    await world.run([world.work(1, () => ({ outcome: 'done', state: { sum: 1 }, wakeAt: START + 5000 }))]);
    const { timers } = await world.run([world.work(2, nothing)]);
    expect(timers).toEqual([{ key: 'counter.a', at: new Date(START + 5000).toISOString(), version: 1 }]);
  });

  it('an alarm that is taken back is answered as none; an entity that never had one is not mentioned', async () => {
    const world = engineWorld();
    await world.run([world.work(1, () => ({ outcome: 'done', state: { sum: 1 }, wakeAt: START + 5000 }))]);
    const { timers } = await world.run([world.work(2, () => ({ outcome: 'done', wakeAt: null })), world.work(3, add(1), 'b')]);
    expect(timers).toEqual([{ key: 'counter.a', at: null, version: 2 }]);
  });

  it('a check before the alarm is told to the timer alone, without a write, until the entity is touched again', async () => {
    const world = engineWorld();
    await world.run([world.work(1, () => ({ outcome: 'done', state: { sum: 1 }, wakeAt: START + 5000 }))]);
    const checked = await world.run([world.work(2, () => ({ outcome: 'done', checkAt: START + 1000 })), world.work(3, nothing)]);
    const touched = await world.run([world.work(4, nothing)]);
    const at = [checked, touched].map(({ timers }) => timers.map((timer) => Date.parse(timer.at as string) - START));
    expect([at, world.writes()]).toEqual([[[1000], [5000]], 1]);
  });

  it('a check is never later than the alarm, and a new alarm in the same batch does without it', async () => {
    const world = engineWorld();
    const wake = (ms: number) => () => ({ outcome: 'done' as const, state: { sum: ms }, wakeAt: START + ms, checkAt: START + 4000 });
    const { timers: bounded } = await world.run([world.work(1, wake(3000))]);
    const renewed = [world.work(2, wake(6000)), world.work(3, () => ({ outcome: 'done', wakeAt: START + 7000 }))];
    const { timers } = await world.run(renewed);
    expect([...bounded, ...timers].map(({ at }) => Date.parse(at as string) - START)).toEqual([3000, 7000]);
  });

  it('an alarm’s record is never decided before its due time, however slow the clock', async () => {
    const world = engineWorld();
    await world.run([world.alarm(1, START + 9000)]);
    expect((await world.item())?.state).toEqual({ sum: START + 9000 });
  });
});

describe('giving up', () => {
  it('a settle bars a record that was not applied, for ever', async () => {
    const world = engineWorld();
    const settled = await world.run([world.work(1, add(1))], { settle: true });
    const later = await world.run([world.work(1, add(1))]);
    expect([settled.outcome, later.outcome, (await world.item())?.state]).toEqual([
      { 1: { result: 'tombstoned' } },
      { 1: { result: 'tombstoned' } },
      null,
    ]);
  });

  it('a settle of a record that was applied answers its outputs', async () => {
    const world = engineWorld();
    await world.run([world.work(1, add(1))]);
    expect((await world.run([world.work(1, add(1))], { settle: true })).outcome).toEqual({ 1: done(1) });
  });

  it('a settle of a core record answers what it caused, and writes nothing', async () => {
    const world = engineWorld();
    await world.run([world.work(1, add(1))], core('b1'));
    const settled = await world.run([world.work(1, add(1)), world.work(2, add(1))], { ...core('b1'), settle: true });
    expect([settled.outcome, world.writes()]).toEqual([{ 1: done(1), 2: { result: 'done', publish: [] } }, 1]);
  });

  it('a decision may ask for a retry or a dead letter; the rest of the batch is written', async () => {
    const world = engineWorld();
    const reason = { code: 'no', message: 'not now' };
    const { outcome } = await world.run([
      world.work(1, () => ({ outcome: 'retry', afterMs: 50, reason })),
      world.work(2, add(1)),
      world.work(3, () => ({ outcome: 'deadLetter', reason })),
    ]);
    expect(outcome).toEqual({
      1: { result: 'failed', failure: { retryAfterMs: 50, reason } },
      2: done(1),
      3: { result: 'failed', failure: { deadLetter: true, reason } },
    });
  });

  it('a decide that throws fails its record only, with the entity’s name', async () => {
    const world = engineWorld();
    const boom = (): never => {
      throw new Error('boom');
    };
    const { outcome } = await world.run([world.work(1, add(1)), world.work(2, boom), world.work(3, add(1))]);
    expect(outcome).toEqual({ 1: done(1), 2: { ...failed('decide_failed', 'counter#a: boom'), error: expect.any(Error) }, 3: done(2) });
  });

  it('an unknown decision is a failure, never a success', async () => {
    const world = engineWorld();
    const { outcome } = await world.run([world.work(1, () => ({ outcome: 'ok' }) as never)]);
    expect(outcome[1]).toMatchObject(failed('decide_failed', 'counter#a: decide answered "ok": done, retry or deadLetter is expected'));
  });
});

describe('an ordered batch', () => {
  const again = (): Decision<Counter> => ({ outcome: 'retry', afterMs: 50, reason: { code: 'no', message: 'not now' } });
  const notNow = { result: 'failed', failure: { retryAfterMs: 50, reason: { code: 'no', message: 'not now' } } };
  const dead = (): Decision<Counter> => ({ outcome: 'deadLetter', reason: { code: 'no', message: 'never' } });
  const heldBack = failed('held_back', 'it waits for an earlier message about counter#a, which failed');

  it('holds the later records of an entity whose record failed; other entities go on', async () => {
    const world = engineWorld();
    const works = [world.work(1, add(1)), world.work(2, again), world.work(3, add(1)), world.work(4, add(1), 'b'), world.work(5, add(1))];
    const { outcome } = await world.run(works, { ordered: true });
    expect(outcome).toEqual({ 1: done(1), 2: notNow, 3: heldBack, 4: done(1), 5: heldBack });
  });

  it('goes on after a record that is refused for good', async () => {
    const world = engineWorld();
    const { outcome } = await world.run([world.work(1, dead), world.work(2, add(1))], { ordered: true });
    expect([outcome[1], outcome[2]]).toEqual([expect.objectContaining({ result: 'failed' }), done(1)]);
  });

  it('holds what follows a decision that threw', async () => {
    const world = engineWorld();
    const boom = (): never => {
      throw new Error('boom');
    };
    const { outcome } = await world.run([world.work(1, boom), world.work(2, add(1))], { ordered: true });
    expect(outcome).toMatchObject({ 1: failed('decide_failed'), 2: heldBack });
  });

  it('does not overtake a record that is decided again because somebody else wrote its entity', async () => {
    // Too large together, so they are written one by one, and the first of these writes meets a conflict.
    const store = memoryStore();
    const order: number[] = [];
    let writes = 0;
    const write: Store['write'] = async (units) => (++writes === 2 ? units.map(() => ({ result: 'conflict' })) : store.write(units));
    const world = engineWorld({ store: { ...store, write }, kind: fatKind });
    const fat =
      (n: number) =>
      (state?: Counter): Decision<Counter> => {
        order.push(n);
        return { outcome: 'done', state: { ...state, sum: n, [`x${n}`]: 'x'.repeat(250_000) } as never };
      };
    const { outcome } = await world.run([world.work(1, fat(1)), world.work(2, fat(2))], { ordered: true });
    expect([order, outcome]).toMatchObject([[1, 2, 1, 1, 2], { 1: done(), 2: failed('entity_too_large') }]);
  });

  it('holds what follows a write that failed', async () => {
    const world = engineWorld({
      store: { ...memoryStore(), write: async (units) => units.map(() => ({ result: 'failed', error: new Error('busy') })) },
    });
    const { outcome } = await world.run([world.work(1, add(1)), world.work(2, again), world.work(3, add(1))], { ordered: true });
    expect(outcome).toMatchObject({ 1: failed('table_unavailable'), 2: failed('no'), 3: heldBack });
  });
});

describe('after a reset', () => {
  const epoch = (n: number, floor = 0, from = 1) => ({
    consumer: `EVENTS@1/fn_events.${n}`,
    floor: { sequence: floor, asOf: new Date(START + 1000).toISOString(), ...(from > 1 && { from }) },
  });
  const underFirst = { result: 'done', publish: [{ subject: 'out.a', data: '{"sum":1}', epoch: 1 }] };

  it('a record that acted in the epoch before does not act again, and answers what it said then', async () => {
    const world = engineWorld();
    await world.run([world.work(1, add(1))], epoch(1));
    const { outcome } = await world.run([world.work(1, add(1)), world.work(2, add(1))], epoch(2));
    expect([outcome, (await world.item())?.state]).toEqual([{ 1: underFirst, 2: done(2) }, { sum: 2 }]);
  });

  it('a record below the floor of the epoch before is done, one that it had not reached acts', async () => {
    const world = engineWorld();
    await world.run([world.work(5, add(1))], epoch(1, 4));
    const { outcome } = await world.run([world.work(4, add(1)), world.work(6, add(1))], epoch(2));
    expect(outcome).toEqual({ 4: { result: 'done', publish: [] }, 6: done(2) });
  });

  it('a settle bars nothing that the epoch before applied, and what it barred stays barred', async () => {
    const world = engineWorld();
    await world.run([world.work(1, add(1))], epoch(1));
    await world.run([world.work(2, add(1))], { ...epoch(1), settle: true });
    const settled = await world.run([world.work(1, add(1))], { ...epoch(2), settle: true });
    const barred = await world.run([world.work(2, add(1))], epoch(2));
    expect([settled.outcome, barred.outcome]).toEqual([{ 1: underFirst }, { 2: { result: 'tombstoned' } }]);
  });

  it('the epoch before is forgotten once the new floor has passed all that is known of it', async () => {
    const world = engineWorld();
    await world.run([world.work(1, add(1)), world.work(7, add(1))], epoch(1, 5));
    await world.run([world.work(8, add(1))], epoch(2, 6));
    const halfway = Object.keys((await world.item())?.applied ?? {});
    await world.run([world.work(9, add(1))], epoch(2, 8));
    const item = await world.item();
    expect([halfway.length, item?.applied, Object.keys(item?.outbox ?? {})]).toEqual([
      2,
      { 'EVENTS@1/fn_events.2': { floor: { sequence: 8, asOf: START + 1000 }, above: [[9, START + 9]] } },
      [`EVENTS@1:9:${START + 9}`],
    ]);
  });

  it('what a reset skipped can be replayed later, and what acted before it does not act again', async () => {
    const world = engineWorld();
    await world.run([world.work(1, add(1))], epoch(1));
    await world.run([world.work(20, add(1))], epoch(2, 19, 10));
    await world.run([world.work(30, add(1))], epoch(2, 29, 10));
    const { outcome } = await world.run([world.work(1, add(1)), world.work(5, add(1)), world.work(20, add(1))], epoch(3));
    expect(outcome).toEqual({ 1: underFirst, 5: done(4), 20: { result: 'done', publish: [] } });
  });

  it('outputs that a reset skipped before they were confirmed are answered by the sweep, with the epoch that decided them', async () => {
    const world = engineWorld();
    await world.run([world.work(1, add(1))], epoch(2));
    await world.run([world.work(20, add(1))], epoch(3, 19, 10));
    await world.time.advance(300_000);
    const sweep = { binding: 'fn.alarms', consumer: 'TIMERS@1/fn_alarms.1', deadline: new Date(START + 900_000).toISOString() };
    const { floor, consumer } = epoch(3, 20, 10);
    const { carried } = await world.run([world.alarm(7, START + 300_000)], { ...sweep, floors: { [consumer]: floor } });
    expect(carried).toEqual([{ cause: `EVENTS@1:1:${START + 1}`, subject: 'out.a', data: '{"sum":1}', epoch: 2 }]);
  });
});

describe('several entities', () => {
  const transfer = (amount: number, to: `counter#${string}`) => (state: Counter | undefined, context: Context) => ({
    outcome: 'done' as const,
    state: { sum: (state?.sum ?? 0) - amount },
    also: { [to]: { sum: (context.also(counters, to.slice('counter#'.length))?.sum ?? 0) + amount } },
  });

  it('that change together are written together', async () => {
    const world = engineWorld();
    await world.run([world.work(1, transfer(5, 'counter#b'), 'a', { also: ['counter#b'] }), world.work(2, add(1), 'b')]);
    expect([(await world.item('a'))?.state, (await world.item('b'))?.state, world.writes()]).toEqual([{ sum: -5 }, { sum: 6 }, 1]);
  });

  it('that neither `also` nor `shared` named are not changed', async () => {
    const world = engineWorld();
    const { outcome } = await world.run([world.work(1, () => ({ outcome: 'done', also: { 'counter#b': { sum: 1 } } }))]);
    const message = "counter#a: decide changed counter#b, which neither 'also' nor 'shared' named";
    expect(outcome[1]).toMatchObject(failed('decide_failed', message));
  });

  it('that any decision of the batch may change are loaded once, and what `read` saw is not loaded again', async () => {
    const read = async (_: readonly unknown[], reader: Reader) => reader.load(counters, ['b']);
    const world = engineWorld({ spec: { read, shared: () => ['counter#b'] } });
    await world.run([1, 2, 3].map((n) => world.work(n, transfer(n, 'counter#b'), `a${n}`)));
    expect([(await world.item('b'))?.state, world.loaded.filter((key) => key === 'counter#b')]).toEqual([{ sum: 6 }, ['counter#b']]);
  });

  it('are loaded again when a write of them failed in the middle of a batch', async () => {
    const world = engineWorld({ spec: { read: async () => ({}), shared: () => ['counter#b'] } });
    const works = Array.from({ length: 150 }, (_, n) => world.work(n + 1, transfer(1, 'counter#b'), `a${n}`));
    const [, { outcome }] = await Promise.all([world.run([world.work(999, add(1000), 'b')]), world.run(works)]);
    expect([(await world.item('b'))?.state, Object.values(outcome).every((one) => one?.result === 'done')]).toEqual([{ sum: 1150 }, true]);
  });

  it('have the alarm that their kind makes of their state, whoever changes it', async () => {
    const kind: Kind<Counter> = { ...counters, wakeAt: ({ sum }) => (sum > 0 ? START + sum * 1000 : null) };
    const world = engineWorld({ kind });
    const first = await world.run([world.work(1, transfer(5, 'counter#b'), 'a', { also: ['counter#b'] })]);
    const second = await world.run([world.work(2, transfer(-5, 'counter#b'), 'a', { also: ['counter#b'] })]);
    expect([first, second].map(({ timers }) => timers.filter(({ key }) => key === 'counter.b').map(({ at }) => at))).toEqual([
      ['2026-01-01T00:00:05.000Z'],
      [null],
    ]);
  });

  it('have their alarms answered again with the record that moved them, also by a settle', async () => {
    const kind: Kind<Counter> = { ...counters, wakeAt: ({ sum }) => (sum > 0 ? START + sum * 1000 : null) };
    const world = engineWorld({ kind });
    const work = world.work(1, transfer(5, 'counter#b'), 'a', { also: ['counter#b'] });
    const answers = [await world.run([work]), await world.run([work]), await world.run([work], { settle: true })];
    const timer = { key: 'counter.b', at: '2026-01-01T00:00:05.000Z', version: 1 };
    expect(answers.map(({ timers }) => timers)).toEqual([[timer], [timer], [timer]]);
  });

  it('that hang together in a chain of more than 100 are split into transactions that the table takes', async () => {
    const sizes: number[] = [];
    const store = memoryStore();
    const measured: Store['write'] = (units) => {
      sizes.push(...units.map((unit) => unit.length));
      return store.write(units);
    };
    const world = engineWorld({ store: { ...store, write: measured } });
    const works = Array.from({ length: 150 }, (_, n) =>
      world.work(n + 1, transfer(1, `counter#k${n + 1}`), `k${n}`, { also: [`counter#k${n + 1}`] }),
    );
    const { outcome } = await world.run(works);
    expect([Math.max(...sizes) <= 100, Object.values(outcome).every((one) => one?.result === 'done')]).toEqual([true, true]);
    expect([(await world.item('k0'))?.state, (await world.item('k75'))?.state, (await world.item('k150'))?.state]).toEqual([
      { sum: -1 },
      { sum: 0 },
      { sum: 1 },
    ]);
  });
});

describe('sizes', () => {
  const fat =
    (chars: number) =>
    (state?: Counter): Decision<Counter> => ({ outcome: 'done', state: { ...state, sum: 1, [`x${chars}`]: 'x'.repeat(chars) } as never });

  it('a record that makes its entity too large is refused, and only that one', async () => {
    const world = engineWorld({ kind: fatKind });
    const { outcome } = await world.run([world.work(1, fat(1000)), world.work(2, fat(500_000)), world.work(3, fat(2000))]);
    expect([outcome[1], outcome[3], Object.keys((await world.item())?.state as object)]).toEqual([
      done(),
      done(),
      ['sum', 'x1000', 'x2000'],
    ]);
    expect(outcome[2]).toMatchObject({ result: 'failed', failure: { deadLetter: true, reason: { code: 'entity_too_large' } } });
  });

  it('a large outbox is kept in children, comes back whole, and goes when the floor passes', async () => {
    const world = engineWorld();
    const say = (): Decision<Counter> => ({
      outcome: 'done',
      state: { sum: 1 },
      publish: [{ subject: 'out.a', body: { text: '✓'.repeat(150_000) } }],
    });
    const first = await world.run([world.work(1, say)]);
    const again = await world.run([world.work(1, say)]);
    const stored = await world.store.children('counter#a', '');
    await world.run([world.work(2, add(1))], { floor: world.floor(1) });
    expect(again.outcome).toEqual(first.outcome);
    expect([stored.length > 1, await world.store.children('counter#a', ''), JSON.stringify(await world.item()).length < 1000]).toEqual([
      true,
      [],
      true,
    ]);
  });

  it('the outbox of many batches, of which none is confirmed yet, does not outgrow its item', async () => {
    const world = engineWorld();
    const say = (): Decision<Counter> => ({
      outcome: 'done',
      state: { sum: 1 },
      publish: [{ subject: 'out.a', body: 'x'.repeat(60_000) }],
    });
    const results = [];
    for (let n = 1; n <= 10; n++) results.push((await world.run([world.work(n, say)])).outcome[n]?.result);
    expect([new Set(results), JSON.stringify(await world.item()).length < 100_000]).toEqual([new Set(['done']), true]);
  });

  it('children are put before the state that counts them, and read back on demand', async () => {
    const world = engineWorld();
    await world.run([world.work(1, () => ({ outcome: 'done', state: { sum: 1 }, children: [{ name: 'result#1', data: { x: 1 } }] }))]);
    let seen: unknown;
    const look = (_: unknown, { children }: { children: ReadonlyMap<string, unknown> }): Decision<Counter> => {
      seen = [...children];
      return { outcome: 'done', state: { sum: 2 }, drop: ['result#1'] };
    };
    await world.run([world.work(2, look, 'a', { needsChildren: true })]);
    expect([seen, await world.store.children('counter#a', '')]).toEqual([[['result#1', { x: 1 }]], []]);
  });
});

describe('stored states', () => {
  const renamed = {
    kind: 'counter',
    schema: z.object({ sum: z.number() }),
    version: 2,
    upcast: { 1: (old: unknown) => ({ sum: (old as { total: number }).total }) },
  };
  const stored = async (state: unknown, schema: number) => {
    const store = memoryStore();
    await store.write([[{ key: 'counter#a', version: 1, schema, state, applied: {}, outbox: {}, nonce: 'n' }]]);
    return store;
  };

  it('of an older schema are upcast', async () => {
    const world = engineWorld({ kind: renamed, store: await stored({ total: 4 }, 1) });
    await world.run([world.work(1, add(1))]);
    expect(await world.item()).toMatchObject({ schema: 2, state: { sum: 5 } });
  });

  it('that do not parse have nothing to bar: a settle of their records is a dead letter', async () => {
    const world = engineWorld({ kind: renamed, store: await stored({ sum: 'x' }, 2) });
    const { outcome } = await world.run([world.work(1, add(1))], { settle: true });
    expect([outcome, await world.item()]).toMatchObject([{ 1: { result: 'tombstoned' } }, { version: 1, state: { sum: 'x' } }]);
  });

  it.each([
    ['that do not parse', { sum: 'x' }, 2, /^counter#a holds a state that does not parse: sum: /],
    ['of a newer schema', { sum: 1 }, 3, /^counter#a has schema version 3, this code knows 2/],
    ['without an upcast', { sum: 1 }, 0, /^counter#a has schema version 0 and no upcast to 1/],
  ])('%s fail their records with the entity’s name and are left alone', async (_, state, schema, message) => {
    const world = engineWorld({ kind: renamed, store: await stored(state, schema) });
    const { outcome } = await world.run([world.work(1, add(1)), world.work(2, add(1), 'b')]);
    expect(outcome).toMatchObject({ 1: failed('state_unreadable', expect.stringMatching(message) as never), 2: done(1) });
    expect(await world.item()).toMatchObject({ version: 1, state });
  });
});

describe('core records', () => {
  it('of a bridge that died: whoever touches the entity next answers their outputs', async () => {
    const world = engineWorld();
    await world.run([world.work(1, add(1))], core('b1'));
    const { carried } = await world.run([world.work(1, nothing, 'a', { id: 'core.b2@1:1:1' })], core('b2'));
    expect(carried).toEqual([{ cause: `EVENTS@1:1:${START + 1}`, subject: 'out.a', data: '{"sum":1}' }]);
  });

  it('whose answer was lost with what they adopted: a settle answers that too', async () => {
    const world = engineWorld();
    await world.run([world.work(1, add(1))], core('b1'));
    const second = world.work(1, nothing, 'a', { id: `core.b2@1:1:${START + 2}` });
    await world.run([second], core('b2'));
    const settled = await world.run([second], { ...core('b2'), settle: true });
    expect(settled.carried).toEqual([{ cause: `EVENTS@1:1:${START + 1}`, subject: 'out.a', data: '{"sum":1}' }]);
  });

  it('of this bridge are forgotten once it has settled them', async () => {
    const world = engineWorld();
    await world.run([world.work(1, add(1))], core('b1'));
    const { carried } = await world.run([world.work(2, add(1))], { ...core('b1'), floor: world.floor(1) });
    expect([carried, Object.keys((await world.item())?.outbox ?? {})]).toEqual([[], [`EVENTS@1:2:${START + 2}`]]);
  });
});

describe('the sweep', () => {
  const alarms = (deadline: number) => ({
    binding: 'fn.alarms',
    consumer: 'TIMERS@1/fn_alarms.1',
    deadline: new Date(START + deadline).toISOString(),
  });

  it('answers outputs that nobody confirmed, and answers them again when its own alarm is delivered again', async () => {
    const world = engineWorld();
    await world.run([world.work(1, add(1))]);
    await world.time.advance(300_000);
    const swept = () => world.run([world.alarm(7, START + 300_000)], alarms(900_000));
    const [first, again] = [await swept(), await swept()];
    expect(first.carried).toEqual([{ cause: `EVENTS@1:1:${START + 1}`, subject: 'out.a', data: '{"sum":1}' }]);
    expect(again.carried).toEqual(first.carried);
  });
});

describe('a settle', () => {
  it('reads nothing of others, so whatever a spec needs for its decisions is not asked for', async () => {
    const world = engineWorld();
    const work = world.work(1, add(1));
    const needy = {
      ...work.spec,
      read: async () => expect.fail('read'),
      also: () => expect.fail('also'),
      needsChildren: () => expect.fail('needsChildren'),
    };
    const { outcome } = await world.run([{ ...work, spec: needy }], { settle: true });
    expect(outcome).toEqual({ 1: { result: 'tombstoned' } });
  });
});
