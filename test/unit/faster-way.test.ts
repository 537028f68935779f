import { expect, it } from 'vitest';
import { fasterWay, type Way } from '#infra/bridge/publish/faster-way.ts';

const groups = (count: number, ms: Record<Way, (messages: number) => number>) => {
  const faster = fasterWay();
  return Array.from({ length: count }, () => {
    const { way, trial } = faster.choose();
    const messages = trial ? 20 : 400;
    faster.took(way, ms[way](messages), messages);
    return { way, trial };
  });
};
const oneByOne = (each: number) => (messages: number) => messages * each;
const batch = (fixed: number) => (messages: number) => fixed + messages * 0.008;

it('stores in batches where the server syncs each write, once both ways were tried', () => {
  const [first, second, ...later] = groups(40, { batch: batch(2.5), one_by_one: oneByOne(0.2) });
  expect([first, second]).toEqual([
    { way: 'batch', trial: false },
    { way: 'one_by_one', trial: true },
  ]);
  expect(new Set(later.map(({ way }) => way))).toEqual(new Set(['batch']));
});

it('stores one by one where the server does not', () => {
  const later = groups(40, { batch: batch(8), one_by_one: oneByOne(0.012) }).slice(2);
  expect(new Set(later.map(({ way }) => way))).toEqual(new Set(['one_by_one']));
});

it('tries the slower way again now and then, so that one bad measurement does not stay', () => {
  let hiccup = 1000;
  const slowOnce = (messages: number) => {
    const ms = batch(2.5)(messages) + hiccup;
    hiccup = 0;
    return ms;
  };
  const ways = groups(1000, { batch: slowOnce, one_by_one: oneByOne(0.2) });
  expect({ trials: ways.filter(({ trial }) => trial).length, last: ways.at(-2) }).toEqual({
    trials: 21,
    last: { way: 'batch', trial: false },
  });
});
