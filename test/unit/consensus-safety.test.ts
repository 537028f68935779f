/**
 * Consensus with competing proposers, lost and repeated messages and acceptors that forget, from thousands of seeds: judged by a
 * reference that knows only what was said, which is shown to see the mistakes that a decision could make.
 */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { Synod } from '#functions/consensus/synod.ts';
import { type Mutant, type Said, simulateConsensus, violations } from '#test/support/consensus-sim.ts';

test('whatever happens, at most one value is learned: one that was proposed and that a majority accepted', () => {
  let learned = 0;
  for (let seed = 1; seed <= 2000; seed++) {
    const history = simulateConsensus({ seed, acceptors: 3 + (seed % 3), named: seed % 2 === 0 }).run(300);
    expect([seed, violations(history)]).toEqual([seed, []]);
    learned += history.learned.length > 0 ? 1 : 0;
  }
  // Neither too quiet nor too easy.
  expect([learned > 500, learned < 2000]).toEqual([true, true]);
});

test('once the faults are over it is decided', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const world = simulateConsensus({ seed });
    world.run(100);
    expect([seed, world.end(3000).learned.length > 0]).toEqual([seed, true]);
    expect(violations(world.history)).toEqual([]);
  }
});

test('in any order, repeated as often as you like: what is learned does not change, and its state stays small', () => {
  const id = (of: string, most: number) => fc.nat(most).map((n) => `${of}${n}`);
  const said: fc.Arbitrary<Said> = fc.record({
    message_type: fc.constantFrom('prepare', 'promise', 'promise', 'propose', 'accept', 'accept', 'learn', 'commit'),
    sender: fc.oneof(id('a', 2), id('p', 1)),
    round: fc.nat(30),
    value: fc.nat(2),
  });
  fc.assert(
    fc.property(fc.array(said, { maxLength: 200 }), (all) => {
      const world = simulateConsensus({ seed: 1, faulty: false });
      for (const one of all) world.decide(one);
      const { learned } = world.history;
      expect(new Set(learned).size).toBeLessThanOrEqual(1);
      if (learned.length > 0) expect(world.state()?.learned?.value).toBe(learned[0]);
      expect(world.state()?.ballots.length ?? 0).toBeLessThanOrEqual(40);
    }),
    { numRuns: 500 },
  );
});

describe('the reference sees', () => {
  const accept = (sender: string, round: number, value: unknown): Said => ({ message_type: 'accept', sender, round, value });
  const twice = [accept('a0', 1, 'x'), accept('a1', 1, 'x'), accept('a1', 2, 'y'), accept('a2', 2, 'y')];
  it.each<[string, Said[], unknown[], string[]]>([
    [
      'two values of two majorities',
      twice,
      ['x'],
      ['accepted by majorities: ["x","y"]', 'learned something else than a majority accepted'],
    ],
    ['a value that changes', twice.slice(0, 2), ['x', 'y'], ['learned ["x","y"]']],
    ['a value that nobody proposed', [accept('a0', 1, 'z'), accept('a1', 1, 'z')], ['z'], ['learned what nobody proposed']],
    ['an acceptance that was promised away', [{ message_type: 'promise', sender: 'a1', round: 2 }, ...twice.slice(0, 2)], [], []],
  ])('%s', (_, said, learned, expected) => {
    expect(violations({ said, learned, proposed: ['x', 'y'], acceptors: 3 })).toEqual(expected);
  });
});

const mistakes: Record<string, Mutant> = {
  'binds no proposer to what was accepted': (_, __, decision) => {
    const free = (state: Synod) => ({
      ...state,
      ballots: state.ballots.map((one) => (one.isBound === undefined ? one : { ...one, isBound: false })),
    });
    const publish = decision.publish?.map(({ subject, body }: { subject: string; body: { message_type: string } }) =>
      body.message_type === 'promise' ? { subject, body: { ...body, value: undefined } } : { subject, body },
    );
    return { ...decision, ...(decision.state?.ballots && { state: free(decision.state) }), ...(publish && { publish }) };
  },
  'forgets who accepted': (_, __, decision) =>
    decision.state?.proposal
      ? { ...decision, state: { ...decision.state, proposal: { ...decision.state.proposal, acceptedBy: [] } } }
      : decision,
  'decides by the first acceptance': (state, { body }, decision) => {
    const isProposed = state?.ballots.some(({ round, isProposed }: Synod['ballots'][0]) => round === body.round && isProposed);
    if (body.message_type !== 'accept' || !isProposed) return decision;
    const learn = { consensus_id: 'c1', round: body.round, message_type: 'learn', value: state.proposal.value };
    return { ...decision, publish: [{ subject: 'coordination.consensus.c1.result', body: learn }] };
  },
  'forgets what was promised': (_, __, decision) =>
    decision.state?.promised ? { ...decision, state: { ...decision.state, promised: {} } } : decision,
  'opens again what is learned': (_, __, decision) =>
    decision.state?.learned ? { ...decision, state: undefined, publish: decision.publish } : decision,
};

test.each(Object.entries(mistakes))('a decision that %s is caught', (_, mutant) => {
  let seed = 1;
  while (seed <= 2000 && violations(simulateConsensus({ seed, mutant }).run(300)).length === 0) seed++;
  expect(seed).toBeLessThanOrEqual(2000);
});
