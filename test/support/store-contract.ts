/** What every store promises the engine. One suite for all of them: call it with a way to open an empty store. */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '#shared/clock.ts';
import type { EntityKey } from '#shared/entity/key.ts';
import { type Item, MAX_ITEM_BYTES, type Store, type StoredChild, type Unit } from '#shared/entity/store.ts';

const NOW = Date.UTC(2026, 0, 1);
const stoppedClock: Clock = { now: () => NOW, after: () => () => undefined };

let names = 0;
export const newKey = (id = 'x'): EntityKey => `thing#${++names}-${id}`;

export const anItem = (change: Partial<Item> = {}): Item => ({
  key: newKey(),
  version: 1,
  schema: 1,
  state: { status: 'well', tags: ['a', 'b'], load: 0.5 },
  applied: { 'S@1/c.0': { floor: { sequence: 4, asOf: NOW }, above: [[5, NOW], [6, NOW, 1]] } }, // biome-ignore format: pairs
  outbox: { 'S@1:5:1': { consumer: 'S@1/c.0', sequence: 5, timestamp: NOW, publish: [{ subject: 'a.b', data: '{}' }] } },
  nonce: 'first',
  ...change,
});

const written = { result: 'written' };
const conflict = { result: 'conflict' };

export const itemsOf = (key: EntityKey): fc.Arbitrary<Item> => {
  const time = fc.integer({ min: 1, max: 4_000_000_000_000 });
  const optional = { wakeAt: fc.option(time), sweepAt: time, lookup: fc.constantFrom('colour=red', 'größe=ß') };
  return fc
    .record(
      {
        state: fc.jsonValue(),
        nonce: fc.string(),
        schema: fc.nat(),
        ...optional,
        expiresAt: fc.integer({ min: 1, max: 4_000_000_000 }).map((seconds) => seconds * 1000),
      },
      { requiredKeys: ['state', 'nonce', 'schema'] },
    )
    .map((fields) => anItem({ key, ...(JSON.parse(JSON.stringify(fields)) as Partial<Item>) }));
};

export const storeContract = (open: (clock: Clock) => Promise<Store>): void => {
  let store: Store;
  beforeEach(async () => {
    store = await open(stoppedClock);
  });
  const loaded = async (key: EntityKey) => (await store.load([key])).get(key);
  const given = async (...items: Item[]) => {
    expect(await store.write(items.map((item) => [item]))).toEqual(items.map(() => written));
  };

  describe('items', () => {
    it('has none at first', async () => {
      expect(await store.load([newKey()])).toEqual(new Map());
    });

    it('gives back what was written, whatever is in it', async () => {
      await fc.assert(
        fc.asyncProperty(itemsOf('thing#any'), async (fields) => {
          const item = { ...fields, key: newKey() };
          await given(item);
          expect(await loaded(item.key)).toEqual(item);
        }),
        { numRuns: 50 },
      );
    });

    it.each([{ wakeAt: 1_767_225_600_000 }, { wakeAt: null }, {}])('keeps the three cases of an alarm apart: %j', async (alarm) => {
      const item = anItem(alarm);
      await given(item);
      expect(await loaded(item.key)).toStrictEqual(item);
    });

    it('replaces the whole item, and what the new one lacks is gone', async () => {
      const full = { wakeAt: 7_000, sweepAt: 8_000, lookup: 'colour=red', expiresAt: 9_000 };
      const old = anItem(full);
      for (const missing of [[], ['sweepAt'], ['lookup'], ['expiresAt'], ['sweepAt', 'lookup'], Object.keys(full)]) {
        const key = newKey();
        const kept = Object.fromEntries(Object.entries(full).filter(([name]) => !missing.includes(name)));
        const next = anItem({ key, version: 2, state: 'next', nonce: 'second', ...kept });
        await given({ ...old, key });
        await given(next);
        expect(await loaded(key)).toStrictEqual(next);
      }
    });

    it('keeps an expiry to the second, never early', async () => {
      const item = anItem({ expiresAt: NOW + 1 });
      await given(item);
      expect(await loaded(item.key)).toEqual({ ...item, expiresAt: NOW + 1000 });
    });

    it('still gives an item that has expired, since its version holds until it is deleted', async () => {
      const item = anItem({ expiresAt: NOW - 1000 });
      await given(item);
      expect(await loaded(item.key)).toEqual(item);
    });

    it('shares nothing with its caller', async () => {
      type Tags = { tags: string[] };
      const item = anItem({ state: { tags: ['mine'] } });
      await given(item);
      (item.state as Tags).tags.push('changed');
      const copy = (await loaded(item.key)) as Item;
      (copy.state as Tags).tags.push('changed too');
      expect((await loaded(item.key))?.state).toEqual({ tags: ['mine'] });
    });

    it('loads a key named twice, and leaves out what is missing', async () => {
      const item = anItem();
      await given(item);
      expect(await store.load([item.key, newKey(), item.key])).toEqual(new Map([[item.key, item]]));
    });
  });

  describe('conditions', () => {
    it('writes each version once', async () => {
      const item = anItem();
      await given(item);
      expect(await store.write([[{ ...item, nonce: 'second' }]])).toEqual([conflict]);
      expect(await loaded(item.key)).toEqual(item);
    });

    it.each([{}, { lookup: 'a' }, { sweepAt: 1 }, { lookup: 'a', sweepAt: 1 }])(
      'refuses a version that is not the next: %j',
      async (fields) => {
        const item = anItem();
        await given(item);
        expect(await store.write([[{ ...item, ...fields, version: 3 }], [anItem({ ...fields, version: 2 })]])).toEqual([
          conflict,
          conflict,
        ]);
        expect(await loaded(item.key)).toEqual(item);
      },
    );

    it('answers each unit for itself, in order', async () => {
      const [old, stale, fresh] = [anItem(), anItem(), anItem()];
      await given(old, stale);
      const tooLarge = anItem({ state: 'x'.repeat(MAX_ITEM_BYTES) });
      const results = await store.write([[stale], [tooLarge], [fresh], [{ ...old, version: 2 }]]);
      expect(results).toEqual([conflict, { result: 'too_large', key: tooLarge.key, bytes: expect.any(Number) }, written, written]);
      expect(await store.load([tooLarge.key])).toEqual(new Map());
    });

    it('lets one of several writers win', async () => {
      const item = anItem();
      const results = await Promise.all(['a', 'b', 'c'].map((nonce) => store.write([[{ ...item, nonce }]])));
      expect(results.flat().filter(({ result }) => result === 'written')).toHaveLength(1);
    });

    it('writes nothing when there is nothing', async () => {
      expect(await store.write([])).toEqual([]);
    });
  });

  describe('units of several items', () => {
    it('are written together', async () => {
      const unit: Unit = [anItem(), anItem({ lookup: 'a', sweepAt: 1, wakeAt: null })];
      expect(await store.write([unit])).toEqual([written]);
      expect([...(await store.load(unit.map((item) => item.key))).values()]).toEqual(expect.arrayContaining(unit));
    });

    it('are written not at all when one of them is in conflict', async () => {
      const [stale, fresh] = [anItem(), anItem()];
      await given(stale);
      expect(await store.write([[fresh, { ...stale, nonce: 'second' }]])).toEqual([conflict]);
      expect(await store.load([fresh.key, stale.key])).toEqual(new Map([[stale.key, stale]]));
    });

    it('are written not at all when one of them is too large', async () => {
      const large = anItem({ state: 'ü'.repeat(MAX_ITEM_BYTES / 2) });
      expect(await store.write([[anItem(), large]])).toEqual([{ result: 'too_large', key: large.key, bytes: expect.any(Number) }]);
    });

    it('are too large when they are it together', async () => {
      const unit = Array.from({ length: 12 }, () => anItem({ state: 'x'.repeat(380_000) }));
      expect(await store.write([unit])).toEqual([{ result: 'too_large', key: expect.any(String), bytes: expect.any(Number) }]);
      expect(await store.load(unit.map((item) => item.key))).toEqual(new Map());
    });
  });

  describe('children', () => {
    const child = (key: EntityKey, name: string, change: Partial<StoredChild> = {}): StoredChild => ({
      key,
      name,
      data: { name },
      ...change,
    });
    const namesOf = (children: StoredChild[]) => children.map(({ name }) => name);

    it('are given back by name, with all they have', async () => {
      const key = newKey();
      const [b, a] = [child(key, 'b', { lookup: 'colour=red', expiresAt: NOW + 5000 }), child(key, 'a', { data: [null, 'ß', 1.5] })];
      await store.putChildren([b, a, child(newKey(), 'of another')]);
      expect(await store.children(key, '')).toEqual([a, b]);
    });

    it('are no part of the entity', async () => {
      const key = newKey();
      await store.putChildren([child(key, 'state')]);
      expect(await loaded(key)).toBeUndefined();
    });

    it('are found by the beginning of their name, page by page', async () => {
      const key = newKey();
      await store.putChildren(['r#3', 'r', 'q#1', 'r#1', 'r#2', 's'].map((name) => child(key, name)));
      expect(namesOf(await store.children(key, 'r#'))).toEqual(['r#1', 'r#2', 'r#3']);
      expect(namesOf(await store.children(key, 'r#', { limit: 2 }))).toEqual(['r#1', 'r#2']);
      expect(namesOf(await store.children(key, 'r#', { after: 'r#1', limit: 1 }))).toEqual(['r#2']);
      expect(namesOf(await store.children(key, '', { after: 'r#2' }))).toEqual(['r#3', 's']);
      expect(await store.children(key, 'r#', { after: 'r#3' })).toEqual([]);
    });

    it('are replaced by their name; of two in one call the last counts', async () => {
      const key = newKey();
      await store.putChildren([child(key, 'a', { data: 1, lookup: 'old' })]);
      await store.putChildren([child(key, 'a', { data: 2 }), child(key, 'a', { data: 3 })]);
      expect(await store.children(key, '')).toEqual([child(key, 'a', { data: 3 })]);
      expect(await store.lookup('old')).toEqual([]);
    });

    it('are not given back once they have expired', async () => {
      const key = newKey();
      await store.putChildren([child(key, 'a', { expiresAt: NOW }), child(key, 'b'), child(key, 'c', { expiresAt: NOW + 1000 })]);
      expect(namesOf(await store.children(key, '', { limit: 2 }))).toEqual(['b', 'c']);
    });

    it('are deleted, also those that were not there', async () => {
      const key = newKey();
      await store.putChildren([child(key, 'a'), child(key, 'b')]);
      await store.deleteChildren([child(key, 'a'), child(key, 'never'), child(key, 'a')]);
      expect(namesOf(await store.children(key, ''))).toEqual(['b']);
    });

    it('over the limit are refused by name, and none is put', async () => {
      const key = newKey();
      const put = store.putChildren([child(key, 'small'), child(key, 'large', { data: 'x'.repeat(MAX_ITEM_BYTES) })]);
      await expect(put).rejects.toThrow(/^child large of thing#.* has 4000\d\d bytes, an item may have 400000: split it$/);
      expect(await store.children(key, '')).toEqual([]);
    });

    it('come in any number', async () => {
      const key = newKey();
      const many = Array.from({ length: 60 }, (_, n) => child(key, String(n).padStart(2, '0'), { data: 'x'.repeat(50_000) }));
      await store.putChildren(many);
      expect(namesOf(await store.children(key, ''))).toEqual(namesOf(many));
    });
  });

  describe('indexes', () => {
    it('finds entities by a value, in the order of their keys, page by page', async () => {
      const keys = ['a', 'b', 'c'].map((id) => newKey(id)).sort();
      await given(...keys.toReversed().map((key) => anItem({ key, lookup: 'colour=red' })), anItem({ lookup: 'colour=blue' }), anItem());
      expect(await store.lookup('colour=red')).toEqual(keys);
      expect(await store.lookup('colour=red', { limit: 2 })).toEqual(keys.slice(0, 2));
      expect(await store.lookup('colour=red', { after: keys[0] as EntityKey, limit: 1 })).toEqual(keys.slice(1, 2));
      expect(await store.lookup('colour=green')).toEqual([]);
    });

    it('finds the parent of several children once', async () => {
      const [one, two] = [newKey('one'), newKey('two')].sort() as [EntityKey, EntityKey];
      const children = [one, two].flatMap((key) => ['a', 'b', 'c'].map((name) => ({ key, name, data: 1, lookup: 'colour=red' })));
      await store.putChildren(children);
      await given(anItem({ key: one, lookup: 'colour=red' }));
      expect(await store.lookup('colour=red', { limit: 2 })).toEqual([one, two]);
      expect(await store.lookup('colour=red', { after: one })).toEqual([two]);
    });

    it.each([{}, { sweepAt: NOW }])('forgets the value that an entity no longer has: %j', async (fields) => {
      const item = anItem({ lookup: 'colour=red', ...fields });
      const { lookup: _, ...next } = item;
      await given(item);
      await given({ ...next, version: 2 });
      expect(await store.lookup('colour=red')).toEqual([]);
    });

    it('finds what is overdue, the oldest first', async () => {
      const items = [30, 10, 20, 40].map((sweepAt) => anItem({ sweepAt }));
      await given(...items, anItem());
      const [thirty, ten, twenty] = items.map((item) => item.key);
      expect(await store.overdue(30, 10)).toEqual([ten, twenty, thirty]);
      expect(await store.overdue(30, 2)).toEqual([ten, twenty]);
      expect(await store.overdue(9, 10)).toEqual([]);
    });

    it.each([{}, { lookup: 'colour=red' }])('no longer sweeps an entity that owes nothing: %j', async (fields) => {
      const item = anItem({ sweepAt: 10, ...fields });
      const { sweepAt: _, ...next } = item;
      await given(item);
      await given({ ...next, version: 2 });
      expect(await store.overdue(NOW, 10)).toEqual([]);
    });
  });
};
