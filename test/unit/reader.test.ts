/** What functions read of others. */
import { expect, test, vi } from 'vitest';
import * as z from 'zod';
import type { Kind } from '#shared/entity/kind.ts';
import { readerOf } from '#shared/entity/reader.ts';
import type { Item } from '#shared/entity/store.ts';

const named = (kind: string): Kind<{ name: string }> => ({ kind, schema: z.object({ name: z.string() }), version: 1 });
const [cats, dogs] = [named('cat'), named('dog')];

const stored = (...keys: Item['key'][]) => {
  const load = vi.fn(async (wanted: readonly Item['key'][]) => {
    const found = keys.filter((key) => wanted.includes(key));
    return new Map(found.map((key) => [key, { key, schema: 1, state: { name: key } } as Item]));
  });
  return { load, reader: readerOf({ load } as unknown as Parameters<typeof readerOf>[0]) };
};

test('what is asked for at once is one call, and each gets its own', async () => {
  const { load, reader } = stored('cat#a', 'dog#a', 'dog#b');
  const [some, others] = await Promise.all([reader.load(cats, ['a', 'z', 'a']), reader.load(dogs, ['a', 'b'])]);
  expect([[...some.keys()], [...others.keys()], load.mock.calls]).toEqual([['a'], ['a', 'b'], [[['cat#a', 'cat#z', 'dog#a', 'dog#b']]]]);
});

test('what is asked for later is another call, and nothing is none', async () => {
  const { load, reader } = stored('cat#a');
  await reader.load(cats, ['a']);
  await reader.load(cats, ['a']);
  expect([await reader.load(cats, []), load.mock.calls.length]).toEqual([new Map(), 2]);
});

test('a call that fails fails for all who waited for it, and for nobody after', async () => {
  const { load, reader } = stored('cat#a');
  load.mockRejectedValueOnce(new Error('no table'));
  const both = await Promise.allSettled([reader.load(cats, ['a']), reader.load(dogs, ['a'])]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect((await reader.load(cats, ['a'])).size).toBe(1);
});
