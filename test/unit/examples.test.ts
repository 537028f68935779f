/** Every pattern has an example that is named in docs/patterns.md, every function has one, and no other is named. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { names, titleOf } from '#docs/examples/run/catalogue.ts';

const read = (doc: string) => readFileSync(new URL(`../../docs/${doc}`, import.meta.url), 'utf8');
const patterns = read('patterns.md');

const words = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word as string);
const [, table = ''] = patterns.split('\n## Examples\n');
const rows = [...(table.split('\n## ')[0] ?? '').matchAll(/^\| `([^`]+)` \| (.+) \| \[.+\]\((.+)\) \|$/gm)].map(
  ([, example = '', functions = '', where = '']) => ({ example, functions: words(functions), where }),
);

/** As GitHub names a heading's anchor. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
const anchorsOf = (text: string) => [...text.matchAll(/^##+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));

/** It is woken every minute; nobody talks to it. */
const SILENT = ['reconciler'];

describe('the examples of docs/patterns.md', () => {
  it('are those of docs/examples, both ways', () => {
    expect(rows.map(({ example }) => example).toSorted()).toEqual(names);
  });

  it('begin with a sentence that says what they show', () => {
    expect(names.filter((name) => !/^[A-Z].{20,150}[.?]$/.test(titleOf(name)))).toEqual([]);
  });

  it('show every function of docs/functions.md that somebody talks to, and no other', () => {
    const functions = [...read('functions.md').matchAll(/^\| `([\w-]+)` \|/gm)].map(([, name]) => name);
    expect([...new Set(rows.flatMap((row) => row.functions)), ...SILENT].toSorted()).toEqual(functions.toSorted());
  });

  it('lead to every section, and to sections that are there', () => {
    const here = anchorsOf(patterns).filter((anchor) => anchor !== 'examples');
    expect(here.filter((anchor) => !rows.some(({ where }) => where === `#${anchor}`))).toEqual([]);
    const missing = rows.filter(({ where }) => {
      const [doc, anchor] = where.split('#');
      return anchor !== undefined && !anchorsOf(doc ? read(doc) : patterns).includes(anchor);
    });
    expect(missing.map(({ where }) => where)).toEqual([]);
  });
});
