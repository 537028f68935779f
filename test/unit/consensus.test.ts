/** Consensus, as its agents see it: what they say and what they are told. */
import { describe, expect, it } from 'vitest';
import { synods } from '#functions/consensus/decide.ts';
import { settings } from '#functions/consensus/settings.ts';
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
