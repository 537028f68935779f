/** Balancers: which of those that a policy leaves. */
import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { Balancer } from '#shared/messages/routing-policy.ts';
import { type Candidate, usedShare } from '#shared/routing/candidate.ts';
import { nthSmallest } from '#shared/routing/nth-smallest.ts';
import { anyBalancer, anyCandidates, ask, candidate, idsOf } from '#test/support/candidates.ts';

const by = (balancer: Balancer, fleet: readonly Candidate[], more: Parameters<typeof ask>[2] = {}) =>
  ask(fleet, { type: 'load_based', balancer }, more);

/** Turns of a fleet with these capacities, as indices. */
const turnsOf = (capacities: readonly number[], times: number): number[] => {
  let fleet = capacities.map((capacity, n) => candidate(`a${n}`, { capacity }));
  return Array.from({ length: times }, (_, n) => {
    const [target] = by('weighted_round_robin', fleet).targets;
    fleet = fleet.map((one) => (one.id === target?.id ? { ...one, turn: target.turn, last: n + 1 } : one));
    return fleet.findIndex(({ id }) => id === target?.id);
  });
};

const capacities = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 10 });
const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
const times = <T>(all: readonly T[], one: T): number => all.filter((other) => other === one).length;

describe('weighted_round_robin', () => {
  it('interleaves: the one with most room is not all of its turns in a row', () => {
    expect(turnsOf([5, 1, 1], 7)).toEqual([0, 1, 0, 0, 2, 0, 0]);
  });

  it('gives each its capacity in a round', () => {
    fc.assert(
      fc.property(capacities, fc.integer({ min: 1, max: 2 }), (weights, rounds) => {
        const turns = turnsOf(weights, sum(weights) * rounds);
        expect(weights.map((_, n) => times(turns, n))).toEqual(weights.map((weight) => weight * rounds));
      }),
      { numRuns: 60 },
    );
  });

  it('is never a whole turn from the exact share', () => {
    fc.assert(
      fc.property(capacities, (weights) => {
        const turns = turnsOf(weights, sum(weights));
        for (let n = 1; n <= turns.length; n++)
          for (const [who, weight] of weights.entries()) {
            const share = (n * weight) / sum(weights);
            expect(Math.abs(times(turns.slice(0, n), who) - share)).toBeLessThan(1 + 1e-9);
          }
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    ['was away', 3],
    ['is new', undefined],
  ])('gives one that %s one turn, not all that it missed', (_, turn) => {
    const fleet = [candidate('a', { turn: 100, capacity: 1 }), candidate('b', { turn, capacity: 1 })];
    expect(by('weighted_round_robin', fleet).targets).toEqual([{ id: 'b', turn: 99 }]);
  });
});

describe('least_connections', () => {
  test('is the smallest share of the capacity in use, of equals the one chosen longest ago', () => {
    fc.assert(
      fc.property(anyCandidates, (fleet) => {
        const model = fleet
          .filter(({ healthy, room, circuit }) => healthy && room > 0 && circuit !== 'open')
          .toSorted((a, b) => usedShare(a) - usedShare(b) || a.last - b.last || (a.id < b.id ? -1 : 1));
        expect(idsOf(by('least_connections', fleet, { count: 3 }))).toEqual(model.slice(0, 3).map(({ id }) => id));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('response_time', () => {
  it('is how long the tasks take that it has, one after the other', () => {
    const fleet = [candidate('fast', { responseMs: 10, active: 5 }), candidate('slow', { responseMs: 50 })];
    expect(idsOf(by('response_time', fleet))).toEqual(['slow']);
    expect(idsOf(by('response_time', [candidate('fast', { responseMs: 10, active: 3 }), fleet[1] as Candidate]))).toEqual(['fast']);
  });

  it('takes one that was never timed for about as fast as the others, however slow one of them is', () => {
    const fleet = [
      candidate('fast', { responseMs: 10 }),
      candidate('usual', { responseMs: 20 }),
      candidate('stuck', { responseMs: 60_000 }),
    ];
    const order = idsOf(by('response_time', [...fleet, candidate('new')], { count: 4 }));
    expect(order).toEqual(['fast', 'new', 'usual', 'stuck'].toSorted((a, b) => order.indexOf(a) - order.indexOf(b)));
    expect([order[0], order.at(-1)]).toEqual(['fast', 'stuck']);
  });
});

describe('resource_utilization', () => {
  it('is the mean of cpu and memory', () => {
    const fleet = [candidate('a', { cpu: 0.1, memory: 0.9 }), candidate('b', { cpu: 0.4, memory: 0.4 })];
    expect(idsOf(by('resource_utilization', fleet))).toEqual(['b']);
  });
});

const WORSE = { cpu: 0.1, memory: 0.1, errorRate: 0.1, responseMs: 100, active: 1 } as const;

describe('hybrid', () => {
  const weights = { cpu_usage: 1, memory_usage: 1, active_tasks: 1, response_time: 1, error_rate: 1 };

  test('who gets worse in any factor is not chosen before anybody that it was not chosen before', () => {
    const factor = fc.constantFrom(...(Object.keys(WORSE) as (keyof typeof WORSE)[]));
    fc.assert(
      fc.property(anyCandidates, factor, (fleet, worse) => {
        const able = fleet.map((one) => ({ ...one, healthy: true, circuit: undefined, room: 1, [worse]: one[worse] ?? 0 }));
        const [first, ...others] = able as [Candidate, ...Candidate[]];
        const before = idsOf(by({ hybrid: weights }, able, { count: 12 }));
        const hit = { ...first, [worse]: (first[worse] as number) + WORSE[worse] };
        const after = idsOf(by({ hybrid: weights }, [hit, ...others], { count: 12 }));
        const behind = (order: string[]) => order.slice(order.indexOf(first.id) + 1);
        expect(behind(before)).toEqual(expect.arrayContaining(behind(after)));
      }),
      { numRuns: 1000 },
    );
  });

  it('weighs factors that are alike: 100 ms more do not count a hundred times as much as a full cpu', () => {
    const fleet = [candidate('hot', { cpu: 1, responseMs: 100 }), candidate('cool', { cpu: 0, responseMs: 200 })];
    expect(idsOf(by({ hybrid: { cpu_usage: 1, response_time: 1 } }, fleet))).toEqual(['cool']);
    expect(idsOf(by({ hybrid: { cpu_usage: 1, response_time: 10 } }, fleet))).toEqual(['hot']);
  });

  it('is the balancer of its only factor', () => {
    fc.assert(
      fc.property(anyCandidates, (fleet) => {
        expect(idsOf(by({ hybrid: { active_tasks: 7 } }, fleet, { count: 3 }))).toEqual(
          idsOf(by('least_connections', fleet, { count: 3 })),
        );
      }),
    );
  });
});

describe('power_of_two_choices', () => {
  const fleet = Array.from({ length: 20 }, (_, n) => candidate(`a${n}`, { active: n % 10 }));

  it('draws two by the seed, and takes the one with less', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const [chosen] = idsOf(by('power_of_two_choices', fleet, { seed })) as [string];
        const index = fleet.findIndex(({ id }) => id === chosen);
        // Whoever is chosen against one other is chosen as long as that one is: hide each of the rest in turn.
        const rivals = fleet.filter((_, n) => {
          const relieved = fleet.map((one, at) => (at === n ? { ...one, active: -1 } : one));
          return n !== index && idsOf(by('power_of_two_choices', relieved, { seed }))[0] !== chosen;
        });
        expect(rivals).toHaveLength(1);
        expect(usedShare(fleet[index] as Candidate)).toBeLessThanOrEqual(usedShare(rivals[0] as Candidate));
      }),
      { numRuns: 200 },
    );
  });

  it('draws everybody alike', () => {
    const idle = Array.from({ length: 10 }, (_, n) => candidate(`a${n}`));
    const drawn = Array.from({ length: 10_000 }, (_, seed) => idsOf(by('power_of_two_choices', idle, { seed }))[0]);
    for (const { id } of idle) expect(times(drawn, id) / 1000).toBeCloseTo(1, 0);
  });
});

describe('a figure that a candidate never gave', () => {
  const figures = fc.constantFrom('cpu', 'memory', 'errorRate', 'responseMs') as fc.Arbitrary<
    'cpu' | 'memory' | 'errorRate' | 'responseMs'
  >;
  const hybrid = { cpu_usage: 1, memory_usage: 1, response_time: 1, error_rate: 1 };

  test('puts it neither before the best nor behind the worst of those who gave it', () => {
    fc.assert(
      fc.property(figures, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 2, maxLength: 8 }), (figure, values) => {
        fc.pre(Math.max(...values) - Math.min(...values) > 0.01);
        const known = values.map((value, n) => candidate(`k${n}`, { [figure]: figure === 'responseMs' ? 1 + value * 1000 : value }));
        const order = idsOf(by({ hybrid }, [...known, candidate('silent')], { count: 9 }));
        expect([order[0], order.at(-1)]).not.toContain('silent');
      }),
      { numRuns: 500 },
    );
  });

  test('of nobody leaves all alike', () => {
    const fleet = ['c', 'a', 'b'].map((id) => candidate(id));
    for (const balancer of ['response_time', 'resource_utilization', { hybrid }] as const)
      expect(idsOf(by(balancer, fleet, { count: 3 }))).toEqual(['a', 'b', 'c']);
  });
});

test('any balancer costs no figure that is no number', () => {
  fc.assert(
    fc.property(anyCandidates, anyBalancer, (fleet, balancer) => {
      for (const { turn } of by(balancer, fleet, { count: 12 }).targets) if (turn !== undefined) expect(Number.isFinite(turn)).toBe(true);
    }),
  );
});

test('quickselect is the n-th of the sorted', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 50 }), fc.nat(), (values, at) => {
      const n = at % values.length;
      expect(nthSmallest(Float64Array.from(values), n)).toBe(values.toSorted((a, b) => a - b)[n]);
    }),
  );
});
