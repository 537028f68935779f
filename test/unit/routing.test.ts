/** Routing policies: who may get a message, whom the policy prefers, and what is said of the others. */
import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { Policy } from '#shared/messages/routing-policy.ts';
import type { Candidate } from '#shared/routing/candidate.ts';
import { type Question, route } from '#shared/routing/route.ts';
import { anyQuestion, ask, candidate, idsOf } from '#test/support/candidates.ts';

/** What every policy has to respect, written down once more. */
const may = ({ healthy, circuit, room, ...one }: Candidate, { need }: Question): boolean =>
  healthy &&
  circuit !== 'open' &&
  room > 0 &&
  need.capabilities.every((capability) => one.capabilities.includes(capability)) &&
  (need.zone === undefined || one.zone === need.zone) &&
  (need.domain === undefined || one.domain === need.domain) &&
  (need.participants.length === 0 || need.participants.includes(one.id));

const RUNS = { numRuns: 1000 };

describe('any policy with any balancer', () => {
  test('never chooses an unhealthy or full one, one with an open circuit, or one that does not fit', () => {
    fc.assert(
      fc.property(anyQuestion, (question) => {
        const byId = new Map(question.candidates.map((one) => [one.id, one]));
        for (const { id } of route(question).targets) expect(may(byId.get(id) as Candidate, question)).toBe(true);
      }),
      RUNS,
    );
  });

  test('chooses as many different ones as are wanted, or all who can', () => {
    fc.assert(
      fc.property(anyQuestion, (question) => {
        const answer = route(question);
        expect(new Set(idsOf(answer)).size).toBe(Math.min(question.count, answer.eligible));
      }),
      RUNS,
    );
  });

  test('chooses the same when it is explained, and gives each candidate that is left out a reason', () => {
    fc.assert(
      fc.property(anyQuestion, (question) => {
        const told = route(question);
        const explained = route({ ...question, explain: true });
        expect({ ...explained, left: [] }).toEqual(told);
        const left = explained.left.map(({ agent_id }) => agent_id);
        expect(left.length + explained.eligible).toBe(question.candidates.length);
        expect(idsOf(told).filter((id) => left.includes(id))).toEqual([]);
      }),
      RUNS,
    );
  });

  test('does not depend on the order of the candidates, unless a balancer draws or sums', () => {
    const orderless = anyQuestion.filter(({ policy }) => policy.type === 'round_robin' || policy.balancer === undefined);
    fc.assert(
      fc.property(orderless, (question) => {
        const reversed = { ...question, candidates: question.candidates.toReversed() };
        expect(idsOf(route(reversed))).toEqual(idsOf(route(question)));
      }),
      { numRuns: 500 },
    );
  });
});

describe('an explanation', () => {
  const fleet = [
    candidate('sick', { healthy: false }),
    candidate('tripped', { circuit: 'open' }),
    candidate('probed', { circuit: 'half-open', room: 0 }),
    candidate('busy', { capacity: 4, active: 4 }),
    candidate('stranger'),
    candidate('blunt', { capabilities: ['parse'] }),
    candidate('foreign', { capabilities: ['ocr'], domain: 'vision' }),
    candidate('far', { capabilities: ['ocr'], domain: 'nlp', zone: 'us' }),
    candidate('other', { capabilities: ['ocr'], domain: 'nlp', zone: 'eu' }),
    candidate('loaded', { capabilities: ['ocr'], domain: 'nlp', zone: 'eu', load: 0.9 }),
    candidate('fine', { capabilities: ['ocr'], domain: 'nlp', zone: 'eu', load: 0.1, active: 1 }),
  ];
  const participants = fleet.map(({ id }) => id).filter((id) => id !== 'stranger');
  const need = { capabilities: ['ocr'], domain: 'nlp', zone: 'eu', participants };
  const targets = ['fine', 'loaded'];

  it('says why each of the others was left out', () => {
    const { left } = ask(fleet, { type: 'load_based', targets, weight_factor: 0.5 }, { need, explain: true });
    expect(Object.fromEntries(left.map(({ agent_id, why }) => [agent_id, why]))).toEqual({
      sick: 'it is not healthy',
      tripped: 'its circuit is open',
      probed: 'its circuit is half-open, and has no permit left',
      busy: 'it has 4 of 4 tasks',
      stranger: 'it is none of the participants',
      blunt: 'it lacks the capability ocr',
      foreign: 'it is in domain vision, not in nlp',
      far: 'it is in zone us, not in eu',
      other: 'the policy sends this to others',
      loaded: 'others are less loaded',
    });
  });

  it('says who, and why', () => {
    expect(ask(fleet, { type: 'load_based', targets, weight_factor: 0.5 }, { need }).why).toBe(
      'fine among the 50% that are loaded least, for it has the smallest share of its capacity in use, 1 of 10; 1 of 11 agents could take it',
    );
  });

  it('says why nobody', () => {
    const { targets, why } = ask(fleet.slice(0, 4), { type: 'round_robin' });
    expect([targets, why]).toEqual([[], 'none of 4 agents can take it now: 1 not healthy, 1 with an open circuit, 2 full']);
    expect(ask([], { type: 'round_robin' }).why).toBe('no agent is known that could be asked');
  });

  it('names a hundred, and counts the others', () => {
    const many = Array.from({ length: 250 }, (_, n) => candidate(`a${n}`, { healthy: n % 2 === 0, active: 10 }));
    const { left, leftBy } = ask(many, { type: 'round_robin' }, { explain: true });
    expect([left.length, leftBy]).toEqual([100, { unhealthy: 125, full: 125 }]);
  });
});

describe('round_robin', () => {
  /** Chooses so often, and remembers. */
  const turns = (ids: string[], times: number) => {
    let fleet = ids.map((id) => candidate(id));
    return Array.from({ length: times }, (_, n) => {
      const [id] = idsOf(ask(fleet, { type: 'round_robin' }));
      fleet = fleet.map((one) => (one.id === id ? { ...one, last: n + 1 } : one));
      return id;
    });
  };

  it('takes each in turn: in any window as long as the fleet everybody once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 30 }), (size, from) => {
        const ids = Array.from({ length: size }, (_, n) => `a${n}`);
        const window = turns(ids, from + size).slice(from);
        expect(window.toSorted()).toEqual(ids);
      }),
      { numRuns: 100 },
    );
  });

  it('takes none but its targets', () => {
    expect(
      idsOf(
        ask(
          ['a', 'b', 'c'].map((id) => candidate(id)),
          { type: 'round_robin', targets: ['c', 'b'] },
          { count: 3 },
        ),
      ),
    ).toEqual(['b', 'c']);
  });
});

describe('load_based', () => {
  const fleet = [0.1, 0.2, 0.3, 0.4, 0.5].map((load, n) => candidate(`a${n + 1}`, { load, active: 5 - n, capacity: 100 }));

  it.each([
    [0.01, 'a1'],
    [0.2, 'a1'],
    [0.21, 'a2'],
    [0.6, 'a3'],
    [1, 'a5'],
  ])('lets the balancer choose among a share of %d, at least one', (weight_factor, id) => {
    expect(idsOf(ask(fleet, { type: 'load_based', weight_factor }))).toEqual([id]);
  });

  it('takes what an agent was given for its load, where that is more than it says', () => {
    const busy = candidate('busy', { load: 0, active: 9 });
    expect(idsOf(ask([busy, candidate('idle', { load: 0.5 })], { type: 'load_based', weight_factor: 0.5 }))).toEqual(['idle']);
  });

  test('share and order are those of a model that sorts', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 100 }),
        (loads, percent) => {
          const all = loads.map((load, n) => candidate(`a${n}`, { load: load / 20 }));
          const { eligible } = ask(all, { type: 'load_based', weight_factor: percent / 100 });
          const limit = loads.toSorted((a, b) => a - b)[Math.ceil(loads.length * (percent / 100)) - 1] as number;
          expect(eligible).toBe(loads.filter((load) => load <= limit).length);
        },
      ),
    );
  });
});

describe('capability_based', () => {
  const fleet = [
    candidate('first', { capabilities: ['ocr'], active: 9 }),
    candidate('second', { capabilities: ['ocr', 'parse'] }),
    candidate('third', { capabilities: ['ocr'] }),
    candidate('mute'),
  ];

  it('takes the first of its preference that can, then whoever can', () => {
    const policy: Policy = { type: 'capability_based', required_capabilities: ['ocr'], preference_order: ['mute', 'first', 'third'] };
    expect(idsOf(ask(fleet, policy, { count: 4 }))).toEqual(['first', 'third', 'second']);
  });

  it('requires its capabilities besides those that are asked for', () => {
    const policy: Policy = { type: 'capability_based', required_capabilities: ['parse'] };
    expect(idsOf(ask(fleet, policy, { need: { capabilities: ['ocr'], participants: [] }, count: 4 }))).toEqual(['second']);
  });
});

describe('topology_aware', () => {
  const fleet = [
    candidate('near', { zone: 'eu', active: 9 }),
    candidate('next', { zone: 'us' }),
    candidate('far', { zone: 'ap' }),
    candidate('lost'),
  ];
  const without = (...ids: string[]) => fleet.filter(({ id }) => !ids.includes(id));
  const policy: Policy = { type: 'topology_aware', preferred_zones: ['eu', 'us'], fallback_targets: ['lost'] };

  it('takes the zones in order, then its fallback, and nobody else', () => {
    expect(
      [fleet, without('near'), without('near', 'next'), without('near', 'next', 'lost')].map((some) => idsOf(ask(some, policy))),
    ).toEqual([['near'], ['next'], ['lost'], []]);
  });

  it('falls back on whoever can where it names no fallback', () => {
    expect(idsOf(ask(without('near', 'next'), { type: 'topology_aware', preferred_zones: ['eu', 'us'] }, { count: 2 }))).toEqual([
      'far',
      'lost',
    ]);
  });
});

describe('priority_based', () => {
  const policy: Policy = { type: 'priority_based', high_priority_targets: ['h1', 'h2'], normal_targets: ['n1'] };
  const fleet = [candidate('h1', { active: 5 }), candidate('h2', { active: 6 }), candidate('n1'), candidate('x')];

  it.each([
    ['critical', 'h1'],
    ['high', 'h1'],
    ['normal', 'n1'],
    ['low', 'n1'],
  ] as const)('sends %s to %s', (priority, id) => {
    expect(idsOf(ask(fleet, policy, { priority }))).toEqual([id]);
  });

  it('sends what is urgent to the normal ones when the others have no room, but not the other way round', () => {
    const full = fleet.map((one) => (one.id.startsWith('h') ? { ...one, room: 0 } : one));
    expect(idsOf(ask(full, policy, { priority: 'critical' }))).toEqual(['n1']);
    expect(
      idsOf(
        ask(
          fleet.filter(({ id }) => id !== 'n1'),
          policy,
        ),
      ),
    ).toEqual([]);
  });

  it('takes whoever else there is for normal where it names none', () => {
    expect(idsOf(ask(fleet, { type: 'priority_based', high_priority_targets: ['h1', 'h2'] }, { count: 4 }))).toEqual(['n1', 'x']);
  });
});
