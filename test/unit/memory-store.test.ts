import { describe, expect, it } from 'vitest';
import { memoryStore, memoryTable, type Operation } from '../sim/memory-store.ts';
import { anItem, storeContract } from '../support/store-contract.ts';

describe('the memory store', () => {
  storeContract(async (clock) => memoryStore({ clock }));

  it('says what it does, before and after', async () => {
    const seen: [Operation['kind'], string][] = [];
    const store = memoryStore({ intercept: async ({ kind }, phase) => void seen.push([kind, phase]) });
    await store.load(['thing#1']);
    expect(seen).toEqual([
      ['load', 'before'],
      ['load', 'after'],
    ]);
  });

  it('can fail one unit of a write and let the other land', async () => {
    const [bad, good] = [anItem(), anItem()];
    const error = new Error('throttled');
    const store = memoryStore({
      intercept: async ({ kind, keys }) => {
        if (kind === 'write' && keys.includes(bad.key)) throw error;
      },
    });
    expect(await store.write([[bad], [good]])).toEqual([{ result: 'failed', error }, { result: 'written' }]);
    expect([...(await store.load([bad.key, good.key])).keys()]).toEqual([good.key]);
  });

  it('can lose the answer of a write that landed', async () => {
    const item = anItem();
    const table = memoryTable();
    const store = memoryStore({
      table,
      intercept: async (_, phase) => {
        if (phase === 'after') throw new Error('connection lost');
      },
    });
    expect(await store.write([[item]])).toEqual([{ result: 'failed', error: new Error('connection lost') }]);
    expect(await memoryStore({ table }).load([item.key])).toEqual(new Map([[item.key, item]]));
  });
});
