/** Consensus, as its agents see it: what they say and what they are told. */
import { describe, expect, it } from 'vitest';
import { synods } from '#functions/consensus/decide.ts';
import { settings } from '#functions/consensus/settings.ts';
import { type Synod, synodKind } from '#functions/consensus/synod.ts';
import { readState } from '#shared/entity/kind.ts';
import { consensus } from '#shared/messages/consensus.ts';
import { drive, received } from '#test/support/decide.ts';

const synod = (first: object = { participants: ['a1', 'a2', 'a3'] }) => {
  const story = drive(synods, settings.parse({}));
  const say = (sender: string, message_type: string, round: number, more: object = {}) => {
    const before = story.published.length;
    story.tell(received(consensus, { consensus_id: 'c1' }, { consensus_id: 'c1', sender, message_type, round, ...more }));
    return story.published.slice(before).map(({ body }) => body as Record<string, unknown>);
  };
  return {
    ...story,
    say,
    prepare: (sender: string, round: number) => say(sender, 'prepare', round, first),
    promise: (round: number, ...from: string[]) => from.flatMap((sender) => say(sender, 'promise', round)),
    propose: (sender: string, round: number, value: unknown) => say(sender, 'propose', round, { value }),
    accept: (round: number, ...from: string[]) => from.flatMap((sender) => say(sender, 'accept', round)),
  };
};

describe('a proposer', () => {
  it('proposes when a majority has promised, and the value is learned once when a majority has accepted', () => {
    const c1 = synod();
    c1.prepare('p1', 1);
    const quorum = { consensus_id: 'c1', round: 1, message_type: 'promise', proposer: 'p1' };
    expect(c1.promise(1, 'a1', 'a2', 'a3')).toEqual([quorum]);
    expect(c1.propose('p1', 1, 'blue')).toEqual([{ ...quorum, message_type: 'propose', value: 'blue' }]);
    expect(c1.accept(1, 'a1', 'a1', 'a2', 'a3')).toEqual([
      { consensus_id: 'c1', round: 1, message_type: 'learn', sender: 'consensus', value: 'blue' },
      { ...quorum, message_type: 'learn', value: 'blue' },
    ]);
  });

  it('has to propose again what may be decided already', () => {
    const c1 = synod();
    c1.prepare('p1', 1);
    c1.promise(1, 'a1', 'a2');
    c1.propose('p1', 1, 'blue');
    c1.accept(1, 'a1');
    c1.prepare('p2', 2);
    expect(c1.promise(2, 'a1', 'a3')).toMatchObject([{ message_type: 'promise', proposer: 'p2', value: 'blue' }]);
    expect(c1.propose('p2', 2, 'red')).toMatchObject([{ message_type: 'refused', code: 'must_propose' }]);
    expect(c1.propose('p2', 2, 'blue')).toMatchObject([{ message_type: 'propose', value: 'blue' }]);
  });

  it('that comes when all is over is told what is decided', () => {
    const c1 = synod();
    c1.prepare('p1', 1);
    c1.promise(1, 'a1', 'a2');
    c1.propose('p1', 1, 'blue');
    c1.accept(1, 'a1', 'a2');
    const told = [{ consensus_id: 'c1', round: 1, message_type: 'learn', proposer: 'p1', value: 'blue' }];
    expect([c1.prepare('p2', 9), c1.say('a3', 'learn', 1), c1.propose('p1', 1, 'red')]).toEqual([told, told, told]);
  });

  const promised = (c1: ReturnType<typeof synod>) => {
    c1.promise(5, 'a1', 'a2');
    return c1;
  };
  const proposed = (c1: ReturnType<typeof synod>) => {
    promised(c1).propose('p1', 5, 'red');
    return c1;
  };
  it.each<[string, (c1: ReturnType<typeof synod>) => Record<string, unknown>[]]>([
    ['round_taken', (c1) => c1.prepare('p2', 5)],
    ['round_too_low', (c1) => promised(c1).prepare('p2', 4)],
    ['not_prepared', (c1) => c1.propose('p2', 5, 'red')],
    ['no_majority', (c1) => c1.propose('p1', 5, 'red')],
    ['bad_value', (c1) => promised(c1).propose('p1', 5, 'x'.repeat(20_000))],
    ['already_proposed', (c1) => proposed(c1).propose('p1', 5, 'blue')],
  ])('is refused as %s, and told which round is high enough', (code, ask) => {
    const c1 = synod();
    c1.prepare('p1', 5);
    expect(ask(c1)).toEqual([expect.objectContaining({ message_type: 'refused', code, highest_round: 5, message: expect.any(String) })]);
  });
});

describe('an acceptor', () => {
  it('that has promised a higher round does not count in a lower one', () => {
    const c1 = synod();
    c1.prepare('p1', 1);
    c1.promise(1, 'a1', 'a2');
    c1.propose('p1', 1, 'blue');
    c1.prepare('p2', 2);
    c1.promise(2, 'a1', 'a2');
    expect(c1.accept(1, 'a1', 'a2', 'a3')).toEqual([]);
  });

  it('is whoever the first message names', () => {
    const c1 = synod();
    c1.prepare('p1', 1);
    expect(c1.promise(1, 'x1', 'x2', 'a1')).toEqual([]);
  });

  it.each([
    ['so many as the first message says', { acceptors: 5 }, ['b1', 'b2', 'b3']],
    ['three, where it says nothing', {}, ['b1', 'b2']],
  ])('is otherwise whoever promises first: %s', (_, first, majority) => {
    const c1 = synod(first);
    c1.prepare('p1', 1);
    expect(c1.promise(1, ...majority.slice(1))).toEqual([]);
    expect(c1.promise(1, majority[0] as string)).toMatchObject([{ message_type: 'promise' }]);
  });
});

describe('the state', () => {
  it('stays small however long proposers overtake each other while an acceptor is away', () => {
    const c1 = synod();
    const value = 'x'.repeat(15_000);
    for (let round = 1; round <= 100; round++) {
      c1.prepare(`p${round % 2}`, round);
      c1.promise(round, 'a1', 'a2');
      c1.propose(`p${round % 2}`, round, value);
      c1.accept(round, 'a1');
    }
    expect(JSON.stringify(c1.state('c1')).length).toBeLessThan(30_000);
    expect(c1.accept(100, 'a2')).toMatchObject([
      { message_type: 'learn', value },
      { message_type: 'learn', value },
    ]);
  });

  it('binds by what was accepted in a round that it does not keep any more', () => {
    const c1 = synod({ acceptors: 5 });
    for (let round = 1; round <= 22; round++) {
      c1.prepare('p1', round);
      c1.promise(round, 'a1', 'a2', 'a3');
      c1.propose('p1', round, 'blue');
      c1.accept(round, 'a1');
    }
    expect(c1.state('c1')?.ballots.map(({ round }) => round)).not.toContain(1);
    c1.accept(1, 'a4');
    c1.prepare('p2', 30);
    expect(c1.promise(30, 'a2', 'a4', 'a5')).toMatchObject([{ message_type: 'promise', value: 'blue' }]);
  });

  it('of the first version is read on: what may be decided binds, what nobody can decide any more does not', () => {
    const ballot = (round: number, value: string | undefined, more: object = {}) => ({
      ...{ round, proposer: 'p1', promises: [], accepts: [], ...more },
      ...(value !== undefined && { proposal: { value } }),
    });
    const ballots = [ballot(1, 'red'), ballot(2, 'blue', { bound: null, accepts: ['a1'] }), ballot(3, undefined, { bound: 2 })];
    const state = { since: 0, size: 3, acceptors: ['a1', 'a2', 'a3'], promised: { a1: 3, a2: 3, a3: 2 }, ballots, closed: -1 };
    const read = readState(synodKind, { key: 'consensus#c1', schema: 1, state } as never) as Synod;
    expect(read).toMatchObject({ proposal: { value: 'blue', acceptedBy: ['a1'] } });
    expect(read.ballots).toMatchObject([
      { round: 2, isBound: false, isProposed: true, accepts: ['a1'] },
      { round: 3, isBound: true, isProposed: false },
    ]);
  });
});

describe('whoever says again what it said', () => {
  it('hears again what came of it: its round, its majority, its proposal', () => {
    const c1 = synod();
    const round = { consensus_id: 'c1', round: 1, proposer: 'p1' };
    for (let n = 0; n < 2; n++) expect(c1.prepare('p1', 1)).toEqual([{ ...round, message_type: 'prepare' }]);
    c1.promise(1, 'a1', 'a2');
    expect(c1.prepare('p1', 1)).toEqual([{ ...round, message_type: 'promise' }]);
    for (let n = 0; n < 2; n++) expect(c1.propose('p1', 1, 'blue')).toEqual([{ ...round, message_type: 'propose', value: 'blue' }]);
    expect(c1.prepare('p1', 1)).toEqual([{ ...round, message_type: 'propose', value: 'blue' }]);
  });
});
