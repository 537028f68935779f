/** The accounts as data: rules that a wrong line in `ways.ts` would break silently on a cluster of several servers. */
import { describe, expect, it, test } from 'vitest';
import { accounts, CONTROL } from '#infra/nats/accounts.ts';
import { covers, fewest, overlap } from '#infra/nats/subject-filters.ts';

const specs = accounts(['nlp', 'vision']);
const control = specs.find(({ name }) => name === CONTROL);
const subjectsOf = (list: readonly { kind: string; subject: string }[] = [], kind: string) =>
  list.flatMap((one) => (one.kind === kind ? one.subject : []));

test('what domains report is never told on, and what CONTROL asks is not reported', () => {
  const [reported, told] = [subjectsOf(control?.exports, 'service'), subjectsOf(control?.exports, 'stream')];
  const asked = subjectsOf(control?.imports, 'service');
  const both = (left: string[], right: string[]) => left.flatMap((a) => right.flatMap((b) => (overlap(a, b) ? `${a} ${b}` : [])));
  expect([...both(reported, told), ...both(asked, reported), ...both(asked, told)]).toEqual([]);
});

test('every import has its export', () => {
  const missing = specs.flatMap(({ imports }) =>
    imports.filter(({ kind, subject, from }) => {
      const exported = subjectsOf(specs.find(({ name }) => name === from)?.exports, kind);
      return !exported.some((wide) => wide === subject || covers(wide, subject));
    }),
  );
  expect(missing).toEqual([]);
});

test('no domain imports what names another one, but the two contracts', () => {
  const nlp = specs.find(({ name }) => name === 'nlp');
  const others = nlp?.imports.filter(({ subject }) => subject.includes('.vision.')).map(({ subject, from }) => `${from} ${subject}`);
  expect(others).toEqual(['vision agents.vision.*.*', 'vision work.vision.*.*']);
});

describe('two filters', () => {
  it.each([
    ['a.b', 'a.b', true, true],
    ['a.*', 'a.b', true, true],
    ['a.b', 'a.*', false, true],
    ['a.>', 'a.b.c', true, true],
    ['a.>', 'a', false, false],
    ['a.*', 'a.>', false, true],
    ['a.>', 'a.*', true, true],
    ['*.b', 'a.*', false, true],
    ['a.b', 'a.c', false, false],
    ['a.b', 'a.b.c', false, false],
    ['>', '*', true, true],
  ])('%s and %s: the first covers the second: %j; they overlap: %j', (a, b, wide, common) => {
    expect([covers(a, b), overlap(a, b), overlap(b, a)]).toEqual([wide, common, common]);
  });

  it('are fewer without what another one covers', () => {
    expect(fewest(['a.b', 'a.*', 'c.>', 'c.d.e', 'a.b'])).toEqual(['a.*', 'c.>']);
  });
});
