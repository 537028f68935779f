import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assign, assignOffers } from '#infra/bridge/ownership/duty-assignment.ts';

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => `${prefix}${n}`);
const someDuties = fc.uniqueArray(fc.stringMatching(/^[a-z-]{1,12}$/), { maxLength: 40 });
const someBridges = fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,8}$/), { minLength: 1, maxLength: 8 });

const loads = (owners: Map<string, string>, bridges: readonly string[]) =>
  bridges.map((bridge) => [...owners.values()].filter((owner) => owner === bridge).length);

const moved = (before: Map<string, string>, after: Map<string, string>) => [...after].filter(([duty, owner]) => before.get(duty) !== owner);

describe('the assignment of duties', () => {
  it('gives a lone bridge everything, and nobody anything where there is no bridge', () => {
    expect(assign(['failures', 'tasks'], ['b1'])).toEqual(
      new Map([
        ['failures', 'b1'],
        ['tasks', 'b1'],
      ]),
    );
    expect(assign(['failures', 'tasks'], [])).toEqual(new Map());
  });

  it('gives every duty one owner, with loads that differ by one at most', () => {
    fc.assert(
      fc.property(someDuties, someBridges, (duties, bridges) => {
        const owners = assign(duties, bridges);
        const shares = loads(owners, bridges);
        expect([...owners.keys()].sort()).toEqual([...duties].sort());
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('is the same for every bridge, in whatever order it heard of the others', () => {
    const shuffled = (list: readonly string[]) => fc.shuffledSubarray([...list], { minLength: list.length });
    const heard = fc
      .tuple(someDuties, someBridges)
      .chain(([duties, bridges]) =>
        fc.record({ one: fc.constant({ duties, bridges }), other: fc.record({ duties: shuffled(duties), bridges: shuffled(bridges) }) }),
      );
    fc.assert(
      fc.property(heard, ({ one, other }) => {
        expect(assign(other.duties, other.bridges)).toEqual(assign(one.duties, one.bridges));
      }),
    );
  });

  it('moves, between two bridges, only the half that goes to the second', () => {
    const duties = names('duty', 20);
    const second = moved(assign(duties, ['b1']), assign(duties, ['b1', 'b2']));
    expect(second.map(([, owner]) => owner)).toEqual(names('b2', 10).map(() => 'b2'));
  });

  it('moves at most twice what must move, on the average, when a bridge comes or goes', () => {
    const duties = names('duty', 50);
    let must = 0;
    let all = 0;
    for (const fleet of names('fleet', 200)) {
      const bridges = names(`${fleet}-bridge`, 6);
      const more = assign(duties, bridges);
      const fewer = assign(duties, bridges.slice(1));
      must += loads(more, bridges)[0] as number;
      all += moved(fewer, more).length;
    }
    expect(all).toBeLessThan(2 * must);
  });

  it('spreads what only some bridges can do over these', () => {
    const owners = assignOffers(
      new Map([
        ['old', ['a', 'b', 'c', 'd', 'gone']],
        ['new', ['a', 'b', 'c', 'd', 'added']],
      ]),
    );
    const known = new Map([...owners].filter(([duty]) => duty.length === 1));
    expect([owners.get('gone'), owners.get('added'), loads(known, ['old', 'new'])]).toEqual(['old', 'new', [2, 2]]);
  });
});
