/** docs/dead-letters.md and the table of transient and poison codes say the same. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { NATURES } from '#functions/dlq-processor/classify.ts';

test('every code is in the table with its nature, and no other', () => {
  const doc = readFileSync(new URL('../../docs/dead-letters.md', import.meta.url), 'utf8');
  const rows = [...doc.matchAll(/^\| (`.+`) \| (transient|poison) \|/gm)];
  const codes = rows.flatMap(([, names = '', nature]) => [...names.matchAll(/`(\w+)`/g)].map(([, code]) => [code, nature]));
  expect(Object.fromEntries(codes)).toEqual(NATURES);
});
