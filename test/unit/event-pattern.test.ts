/** Event patterns mean what EventBridge means by them: its documentation's examples, and a slow reading of its rules. */
import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { compilePattern, PatternError } from '#shared/event-pattern/event-pattern.ts';
import { naiveMatch } from '#test/support/naive-pattern.ts';

const matching = (pattern: unknown, events: unknown[]) => events.filter(compilePattern(pattern));

describe('the examples of the AWS documentation', () => {
  /** What the pattern takes, and what it leaves. */
  const examples: [name: string, pattern: unknown, takes: unknown[], leaves: unknown[]][] = [
    ['and', { Location: ['New York'], Day: ['Monday'] }, [{ Location: 'New York', Day: 'Monday', x: 1 }], [{ Location: 'New York' }]],
    [
      'anything but a text',
      { state: [{ 'anything-but': 'initializing' }] },
      [{ state: 'on' }, { state: null }],
      [{ state: 'initializing' }, {}],
    ],
    ['anything but a number', { limit: [{ 'anything-but': 123 }] }, [{ limit: 124 }, { limit: '123' }], [{ limit: 123 }]],
    ['anything but texts', { state: [{ 'anything-but': ['stopped', 'overloaded'] }] }, [{ state: 'on' }], [{ state: 'stopped' }]],
    ['anything but numbers', { limit: [{ 'anything-but': [100, 200, 300] }] }, [{ limit: 150 }], [{ limit: 200 }]],
    [
      'anything but a prefix',
      { region: [{ 'anything-but': { prefix: 'us-' } }] },
      [{ region: 'eu-1' }, { region: 5 }],
      [{ region: 'us-1' }],
    ],
    ['anything but suffixes', { file: [{ 'anything-but': { suffix: ['.txt', '.rtf'] } }] }, [{ file: 'a.png' }], [{ file: 'a.rtf' }]],
    [
      'anything but, ignoring case',
      { state: [{ 'anything-but': { 'equals-ignore-case': 'init' } }] },
      [{ state: 'on' }],
      [{ state: 'INIT' }],
    ],
    ['anything but a wildcard', { path: [{ 'anything-but': { wildcard: '*/lib/*' } }] }, [{ path: '/bin/a' }], [{ path: '/usr/lib/a' }]],
    ['prefix', { time: [{ prefix: '2017-10-02' }] }, [{ time: '2017-10-02T18:43:48Z' }], [{ time: '2017-10-03' }, { time: 20171002 }]],
    [
      'prefix, ignoring case',
      { service: [{ prefix: { 'equals-ignore-case': 'EventB' } }] },
      [{ service: 'eventbridge' }],
      [{ service: 'even' }],
    ],
    ['suffix', { file: [{ suffix: '.png' }] }, [{ file: 'a.png' }], [{ file: 'a.PNG' }, { file: 'png' }]],
    ['suffix, ignoring case', { file: [{ suffix: { 'equals-ignore-case': '.png' } }] }, [{ file: 'a.PNG' }], [{ file: 'a.jpg' }]],
    ['equals, ignoring case', { name: [{ 'equals-ignore-case': 'alice' }] }, [{ name: 'ALICE' }], [{ name: 'alic' }]],
    ['empty', { name: [''] }, [{ name: '' }], [{ name: null }, {}, { name: ' ' }]],
    ['null', { user: [null] }, [{ user: null }], [{ user: '' }, { user: 'null' }, {}]],
    ['exists', { product: [{ exists: true }] }, [{ product: 'a' }, { product: null }], [{}, { product: { leaf: 1 } }]],
    ['does not exist', { product: [{ exists: false }] }, [{}, { product: { leaf: 1 } }, { product: [] }], [{ product: null }]],
    ['numeric, equal', { price: [{ numeric: ['=', 100] }] }, [{ price: 100 }], [{ price: '100' }, { price: 101 }]],
    ['numeric, a range', { price: [{ numeric: ['>', 10, '<=', 20] }] }, [{ price: 20 }, { price: 10.5 }], [{ price: 10 }, { price: 21 }]],
    ['or, of values', { payment: ['Credit', 'Debit'] }, [{ payment: 'Debit' }], [{ payment: 'Cash' }]],
    [
      'or, of fields',
      { $or: [{ Location: ['New York'] }, { Day: ['Monday'] }] },
      [{ Location: 'New York' }, { Day: 'Monday' }],
      [{ Day: 'Friday' }],
    ],
    ['wildcard', { key: [{ wildcard: 'dir/*.png' }] }, [{ key: 'dir/a/b.png' }, { key: 'dir/.png' }], [{ key: 'dir.png' }]],
    ['wildcard, whose ends may not overlap', { key: [{ wildcard: 'ab*ba' }] }, [{ key: 'abba' }, { key: 'ab-ba' }], [{ key: 'aba' }]],
    ['wildcard, escaped', { key: [{ wildcard: 'a\\*\\\\*' }] }, [{ key: 'a*\\b' }], [{ key: 'ab\\b' }, { key: 'a**' }]],
    ['an array in the event', { zones: ['a', 'b'] }, [{ zones: ['x', 'b'] }, { zones: [['a']] }], [{ zones: ['x'] }, { zones: [] }]],
    [
      'all of one element',
      { employees: { first: ['Anna'], last: ['Smith'] } },
      [
        {
          employees: [
            { first: 'John', last: 'Doe' },
            { first: 'Anna', last: 'Smith' },
          ],
        },
      ],
      [
        {
          employees: [
            { first: 'Anna', last: 'Doe' },
            { first: 'John', last: 'Smith' },
          ],
        },
      ],
    ],
  ];

  it.each(examples)('%s', (_, pattern, takes, leaves) => {
    expect(matching(pattern, [...takes, ...leaves])).toEqual(takes);
  });
});

test('what an object inherits is not in the event', () => {
  expect(matching({ constructor: { name: [{ exists: true }] } }, [{}, { constructor: { name: 'x' } }])).toEqual([
    { constructor: { name: 'x' } },
  ]);
});

describe('against the slow reading', () => {
  const texts = fc.constantFrom('a', 'ab', 'b', 'A', 'ba');
  const values = fc.oneof(texts, fc.constantFrom(1, 2, 3), fc.constantFrom('', true, null));
  const event = fc.letrec((tie) => ({
    any: fc.oneof({ depthSize: 'small' }, values, fc.array(tie('any'), { maxLength: 3 }), tie('object')),
    object: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), tie('any'), { maxKeys: 4 }),
  })).object;
  const globs = fc
    .array(fc.constantFrom('a', 'b', 'A', '*', '\\*'), { minLength: 1, maxLength: 5 })
    .map((parts) => parts.join(''))
    .filter((glob) => !glob.replaceAll('\\*', '').includes('**'));
  const folded = fc.record({ 'equals-ignore-case': texts });
  const ofText = fc.oneof(
    fc.record({ prefix: fc.oneof(texts, folded) }),
    fc.record({ suffix: fc.oneof(texts, folded) }),
    folded,
    fc.record({ wildcard: globs }),
  );
  const operator = fc.oneof(
    ofText,
    fc.record({ 'anything-but': fc.oneof(texts, fc.array(texts, { minLength: 1 }), fc.constantFrom(1, 2), ofText) }),
    fc.record({ numeric: fc.tuple(fc.constantFrom('=', '!=', '<', '<=', '>', '>='), fc.constantFrom(1, 2)) }),
    fc.record({ numeric: fc.tuple(fc.constantFrom('>', '>='), fc.constant(1), fc.constantFrom('<', '<='), fc.constantFrom(2, 3)) }),
    fc.record({ exists: fc.boolean() }),
  );
  const list = fc.array(fc.oneof(values, operator), { minLength: 1, maxLength: 3 });
  const { pattern } = fc.letrec<{ item: unknown; pattern: Record<string, unknown> }>((tie) => {
    const fields = (...keys: string[]) => fc.dictionary(fc.constantFrom(...keys), tie('item'), { minKeys: 1, maxKeys: 2 });
    const either = fc.array(fields('c', 'd'), { minLength: 2, maxLength: 3 });
    return {
      item: fc.oneof({ depthSize: 'small' }, list, tie('pattern')),
      // Choices of other fields: what is said twice of one array may be true of two elements.
      pattern: fc.oneof(fields('a', 'b', 'c', 'd'), fc.record({ a: tie('item'), $or: either })),
    };
  });

  it('takes the same events', () => {
    fc.assert(
      fc.property(pattern, event, (filter, value) => {
        expect(compilePattern(filter)(value)).toBe(naiveMatch(filter, value));
      }),
      { numRuns: 5000 },
    );
  });
});

describe('mistakes', () => {
  const mistakesOf = (pattern: unknown): string => {
    try {
      compilePattern(pattern);
      return '';
    } catch (error) {
      if (error instanceof PatternError) return error.message;
      throw error;
    }
  };
  const NUMERIC = 'needs a comparison like ["<=", 10], or a range like [">", 0, "<=", 10]';

  it.each([
    ['no pattern', [], 'the pattern: needs fields with lists of values'],
    ['no field', {}, 'the pattern: needs at least one field'],
    ['no list', { severity: 'high' }, 'severity: needs a list of values'],
    ['no value', { a: { b: [] } }, 'a.b: needs at least one value'],
    ['a list in a list', { a: [['x']] }, 'a.0: needs a value or an operator'],
    [
      'a misspelt operator',
      { a: ['x', { starts: 'y' }] },
      'a.1: needs one operator of prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, exists',
    ],
    ['two operators', { a: [{ prefix: 'x', suffix: 'y' }] }, 'a.0: needs exactly one operator'],
    ['no text', { a: [{ prefix: 1 }] }, 'a.0.prefix: needs text that is not empty'],
    ['two stars', { a: [{ wildcard: 'x**' }] }, 'a.0.wildcard: has two * in a row, or a \\ before something else than * or \\'],
    ['no boolean', { a: [{ exists: 'yes' }] }, 'a.0.exists: needs true or false'],
    ['no comparison', { a: [{ numeric: ['~', 1] }] }, `a.0.numeric: ${NUMERIC}`],
    ['a bound that is no number', { a: [{ numeric: ['<', '1'] }] }, `a.0.numeric: ${NUMERIC}`],
    ['an empty range', { a: [{ numeric: ['>', 2, '<', 1] }] }, `a.0.numeric: ${NUMERIC}`],
    ['a range from above', { a: [{ numeric: ['<', 2, '>', 1] }] }, `a.0.numeric: ${NUMERIC}`],
    [
      'texts and numbers',
      { a: [{ 'anything-but': ['x', 1] }] },
      'a.0.anything-but: needs text, a number, a list of either, or one of prefix, suffix, equals-ignore-case, wildcard',
    ],
    [
      'anything but an unknown',
      { a: [{ 'anything-but': { numeric: ['=', 1] } }] },
      'a.0.anything-but: takes exactly one of prefix, suffix, equals-ignore-case, wildcard',
    ],
    ['anything but no text', { a: [{ 'anything-but': { prefix: [] } }] }, 'a.0.anything-but.prefix: needs at least one text'],
    ['a choice of one', { $or: [{ a: [1] }] }, '$or: needs a list of two or more patterns'],
  ])('%s is named with its place', (_, pattern, sentence) => {
    expect(mistakesOf(pattern)).toBe(sentence);
  });

  it('are all listed', () => {
    expect(mistakesOf({ a: 1, $or: [{ b: 2 }, { c: { d: null } }] })).toBe(
      'a: needs a list of values; $or.0.b: needs a list of values; $or.1.c.d: needs a list of values',
    );
  });
});
