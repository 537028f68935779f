/** The score of the Numenta Anomaly Benchmark, on cases that can be counted by hand. */
import { describe, expect, test } from 'vitest';
import { oncePerEpisode, threshold, windowedGaussian } from '#test/bench/nab/contenders.ts';
import { judge, probationOf, type Series } from '#test/bench/nab/score.ts';

const STANDARD = { name: 'standard', tpWeight: 1, fnWeight: 1, fpWeight: 0.11 };

const aSeries = (windows: Series['windows'], length = 1000): Series => ({
  name: 'a',
  times: Array.from({ length }, (_, n) => n),
  values: Array(length).fill(0),
  windows,
});
const at = (...detections: number[]) => Array.from({ length: 1000 }, (_, n) => Number(detections.includes(n)));
const scoreOf = (series: Series, scores: number[]) => judge([{ series, scores }], STANDARD);

describe('a detector', () => {
  const series = aSeries([
    [400, 499],
    [800, 899],
  ]);

  test('that finds the first point of every window has 100', () => {
    expect(scoreOf(series, at(400, 800))).toMatchObject({ score: expect.closeTo(100, 6), detected: 2, falseAlarms: 0 });
  });

  test('that says nothing, or all at once, has 0: then no threshold is better than none', () => {
    expect([scoreOf(series, at()).score, scoreOf(series, Array(1000).fill(1)).score]).toEqual([0, 0]);
  });

  test('has half for one window of two, and less for a late detection', () => {
    const [first, late] = [scoreOf(series, at(400)).score, scoreOf(series, at(490)).score];
    expect([first, late < first, late > 0]).toEqual([expect.closeTo(50, 6), true, true]);
  });

  test('pays 0.11 for a detection far from every window, and little right behind one', () => {
    const [far, near] = [scoreOf(series, at(300, 400, 800)).score, scoreOf(series, at(400, 501, 800)).score];
    expect(far).toBeCloseTo(100 - (0.11 / 4) * 100, 6);
    expect([near > far, near < 100]).toEqual([true, true]);
  });

  test('pays nothing for the probation: 15 % of the series, of 5000 values at most', () => {
    expect(scoreOf(series, at(149, 400, 800)).score).toBeCloseTo(100, 6);
    expect([probationOf(1000), probationOf(20_000)]).toEqual([150, 750]);
  });

  test('gets its best threshold', () => {
    const noisy = at(400, 800).map((score, n) => score + (n % 2) * 0.5);
    expect(scoreOf(series, noisy)).toMatchObject({ score: expect.closeTo(100, 6), threshold: 1 });
  });
});

test('the threshold is three deviations of the probation; the Gaussian counts deviations of all before', () => {
  const values = Array.from({ length: 200 }, (_, n) => (n === 150 ? 9 : n % 2));
  const series = { times: values, values };
  expect(threshold(series, 100).flatMap((score, n) => (score === 1 ? n : []))).toEqual([150]);
  expect(windowedGaussian(series, 100).lastIndexOf(8.2)).toBe(150);
});

test('within a day of a score only a higher one is news', () => {
  const given = [0, 3, 2, 4, 4, ...Array(288).fill(1)];
  const told = oncePerEpisode(() => given)({ times: [], values: [] }, 0);
  expect(told.flatMap((score, n) => (score > 0 ? [[n, score]] : []))).toEqual([
    [1, 3],
    [3, 4],
    [292, 1],
  ]);
});
