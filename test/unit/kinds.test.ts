/** shared/kinds.ts and the functions say the same, both ways. */
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ownerOf } from '#shared/kinds.ts';

const folder = new URL('../../functions/', import.meta.url);

const owned = async (): Promise<[kind: string, owner: string][]> => {
  const functions = await Promise.all(
    readdirSync(folder).map(async (name) => {
      const { handler } = (await import(new URL(`${name}/handler.ts`, folder).href)) as { handler: { owns: string[] } };
      return handler.owns.map((kind): [string, string] => [kind, name]);
    }),
  );
  return functions.flat();
};

test('every kind that a function writes is listed with it, and no other', async () => {
  expect(ownerOf).toEqual(Object.fromEntries(await owned()));
});

test('no kind has two owners', async () => {
  const kinds = (await owned()).map(([kind]) => kind);
  expect(kinds.filter((kind, n) => kinds.indexOf(kind) !== n)).toEqual([]);
});
