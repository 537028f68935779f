/** The algorithms of shared/detection: known cases, and what has to hold whatever the figures. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cascade } from '#shared/detection/cascade.ts';
import { observe } from '#shared/detection/change.ts';
import { confidenceOf } from '#shared/detection/confidence.ts';
import { exhaustion } from '#shared/detection/exhaustion.ts';
import { countTail } from '#shared/detection/gamma-poisson.ts';
import { fisherTail } from '#shared/detection/hypergeometric.ts';
import { logGamma } from '#shared/detection/log-gamma.ts';
import { normalTail } from '#shared/detection/normal.ts';
import { trialsTail } from '#shared/detection/poisson-binomial.ts';
import { median, risingTail, robustLine, steeperTail } from '#shared/detection/trend.ts';
import { randomOf } from '#test/support/noise.ts';

describe('tails', () => {
  test('of the normal distribution are those of the tables', () => {
    const tails = [-1, 0, 1, 1.96, 3].map(normalTail);
    expect(tails.map((tail) => tail.toFixed(5))).toEqual(['0.84134', '0.50000', '0.15866', '0.02500', '0.00135']);
  });

  test('the gamma function is the factorial of one less', () => {
    expect([1, 2, 5, 11].map((x) => Math.round(Math.exp(logGamma(x))))).toEqual([1, 1, 24, 3_628_800]);
  });

  test('a count whose rate is well known has the Poisson tail', () => {
    expect(countTail(6, { events: 2e5, exposure: 1e5 })).toBeCloseTo(0.01656, 4);
  });

  test('a count is the less improbable the less is known of the rate', () => {
    const known = [1, 10, 1000].map((exposure) => countTail(6, { events: exposure, exposure }));
    expect(known.toSorted((a, b) => b - a)).toEqual(known);
  });

  test('the lady tastes tea: four of four cups have a chance of 1 in 70', () => {
    expect(fisherTail({ population: 8, marked: 4, drawn: 4, hits: 4 })).toBeCloseTo(1 / 70, 12);
  });

  test('trials of one probability have the binomial tail', () => {
    expect(trialsTail(8, Array(10).fill(0.5))).toBeCloseTo(56 / 1024, 12);
  });

  test('more hits are never more probable', () => {
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });
    fc.assert(fc.property(shares, fc.nat(11), (all, n) => trialsTail(n + 1, all) <= trialsTail(n, all) + 1e-9));
  });
});

test('a p-value of 0.05 is a confidence of 0.71 and no more, as Sellke, Bayarri and Berger tabulate', () => {
  expect([0.5, 0.1, 0.05, 0.01, 0.001, 0].map(confidenceOf)).toEqual([0.5, 0.615, 0.711, 0.889, 0.982, 1]);
});

const values = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 3, maxLength: 25 });

describe('a trend', () => {
  test('is certain in a series that only rises, and improbable in one that only falls', () => {
    const rising = Array.from({ length: 20 }, (_, n) => n);
    expect([risingTail(rising) < 1e-6, risingTail(rising.toReversed()) > 0.999999]).toEqual([true, true]);
  });

  test('is none where nothing changes', () => {
    expect(risingTail(Array(30).fill(7))).toBe(1);
  });

  test('does not depend on units, nor on zero', () => {
    const units = [fc.integer({ min: 1, max: 50 }), fc.integer({ min: -500, max: 500 })] as const;
    fc.assert(
      fc.property(values, ...units, (all, scale, shift) => {
        expect(risingTail(all.map((value) => scale * value + shift))).toBe(risingTail(all));
      }),
    );
  });

  test('upwards is one downwards of the mirrored series', () => {
    fc.assert(fc.property(values, (all) => risingTail(all) === 1 || risingTail(all) + risingTail(all.map((value) => -value)) >= 0.999));
  });

  test('has its slope in spite of a quarter of wild values', () => {
    const points = Array.from({ length: 40 }, (_, x) => [x, x % 4 === 0 ? 1e6 : 3 * x + 1] as const);
    const line = robustLine(points);
    expect([line?.slope, line?.at(40)]).toEqual([expect.closeTo(3, 0), expect.closeTo(121, -1)]);
  });

  test('is steeper than less than its slope, and not than more', () => {
    const random = randomOf(1);
    const points = Array.from({ length: 30 }, (_, x) => [x, 2 * x + random.normal()] as const);
    expect([steeperTail(points, 1.5) < 0.001, steeperTail(points, 2.5) > 0.999]).toEqual([true, true]);
  });

  test('the median is in the middle', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
  });
});

describe('an exhaustion', () => {
  const filling = (perStep: number, noise: number, seed = 1) => {
    const random = randomOf(seed);
    return Array.from({ length: 60 }, (_, n) => [n, 0.4 + perStep * n + noise * random.normal()] as const);
  };

  test('is where the line meets the limit', () => {
    const found = exhaustion(filling(0.005, 0), 1, 1000);
    expect(found).toMatchObject({ at: expect.closeTo(120, 6), confidence: 1 });
  });

  test.each([
    ['nothing rises', filling(0, 0.01)],
    ['it is far away', filling(0.0005, 0)],
    ['little is known', filling(0.005, 0).slice(0, 19)],
  ])('is none where %s', (_, points) => {
    const found = exhaustion(points, 1, 1000);
    expect(found === undefined || found.p > 0.001).toBe(true);
  });

  test('is the less sure the noisier the series is', () => {
    const sure = [0.001, 0.1, 0.4].map((noise) => exhaustion(filling(0.005, noise), 1, 120)?.p ?? 1);
    expect(sure.toSorted((a, b) => a - b)).toEqual(sure);
  });
});

describe('a cascade', () => {
  const chain = (from: string, to: string) => Number(to) === Number(from) + 1;

  test('has its origin where most are reached from, and a chance that falls with every link', () => {
    const three = cascade(['9', '1', '2', '3'], chain, 0.01);
    const five = cascade(['9', '1', '2', '3', '4', '5'], chain, 0.01);
    expect([three.origin, three.agents, five.p < three.p]).toEqual(['1', ['1', '2', '3'], true]);
  });

  test('needs the order: links against time lead nowhere', () => {
    expect(cascade(['3', '2', '1'], chain, 0.01)).toEqual({ origin: '3', agents: ['3'], p: expect.closeTo(1, 12) });
  });

  test('is nothing where all are linked anyway', () => {
    expect(cascade(['1', '2', '3', '4'], () => true, 1).p).toBe(1);
  });

  test('of failures in random order is found no more often than its p-value says', () => {
    const random = randomOf(7);
    const agents = Array.from({ length: 60 }, (_, n) => String(n));
    const leads = (from: string, to: string) => Math.floor(Number(from) / 4) === Math.floor(Number(to) / 4);
    const rounds = Array.from({ length: 400 }, () => cascade(random.shuffled(agents).slice(0, 6), leads, 3 / 59).p);
    expect(rounds.filter((p) => p < 0.05).length / rounds.length).toBeLessThan(0.08);
  });
});

describe('a stream of values', () => {
  const watched = (all: readonly number[]) => {
    let stream: Parameters<typeof observe>[0];
    return all.map((value) => {
      const seen = observe(stream, value);
      stream = seen.stream;
      return seen;
    });
  };
  const noise = (count: number, seed: number) => {
    const random = randomOf(seed);
    return Array.from({ length: count }, () => 100 + 5 * random.normal());
  };

  test('knows nothing at first, and finds nothing in what does not change', () => {
    expect(watched(Array(500).fill(42)).every(({ rarity }) => rarity === 0)).toBe(true);
  });

  test.each([1, 2, 3])('that shifts by three deviations is seen by the short mean though no value is rare (%i)', (seed) => {
    const shifted = noise(500, seed).map((value, n) => (n < 450 ? value : value + 15));
    const rare = (part: readonly { rarity: number }[]) => part.filter(({ rarity }) => rarity > 1.5).length / part.length;
    const seen = watched(shifted);
    expect(rare(seen.slice(455, 475))).toBeGreaterThan(10 * rare(seen.slice(200, 450)));
  });

  test.each([1, 2, 3, 4, 5])('of noise is rare no more often than the rarity says (%i)', (seed) => {
    const rare = watched(noise(2000, seed)).filter(({ rarity }) => rarity > 3);
    expect(rare.length).toBeLessThan(15);
  });

  test.each([1, 2, 3, 4, 5])('that shifts by ten deviations is rare at once, and says which way (%i)', (seed) => {
    const shifted = noise(500, seed).map((value, n) => (n < 450 ? value : value - 50));
    const first = watched(shifted)[450];
    expect([(first?.rarity ?? 0) > 3, (first?.by ?? 0) < 0]).toEqual([true, true]);
  });

  test('is the same in other units', () => {
    const all = noise(400, 6).map((value, n) => (n === 390 ? 300 : value));
    const rarities = (scale: number) => watched(all.map((value) => scale * value)).map(({ rarity }) => Number(rarity.toFixed(3)));
    expect(rarities(1024)).toEqual(rarities(1));
  });

  test('that jumps every now and then by nature is not rare for it', () => {
    const spiky = noise(2000, 8).map((value, n) => (n % 20 === 0 ? value + 200 : value));
    expect(
      Math.max(
        ...watched(spiky)
          .slice(1000)
          .map(({ rarity }) => rarity),
      ),
    ).toBeLessThan(4);
  });
});
