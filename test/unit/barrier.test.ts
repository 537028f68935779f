/** Barriers, as their participants see them. */
import { describe, expect, it, test } from 'vitest';
import { barriers } from '#functions/barrier/decide.ts';
import { decide as decideParty, withBarrier } from '#functions/barrier/party.ts';
import { settings } from '#functions/barrier/settings.ts';
import { barrier } from '#shared/messages/barrier.ts';
import { agentStopped } from '#shared/messages/lifecycle.ts';
import { failure } from '#shared/messages/supervision.ts';
import { drive, received, START } from '#test/support/decide.ts';

const story = () => {
  const driven = drive(barriers, settings.parse({}));
  const arrive = (participant: string, more: object = {}) =>
    driven.tell(received(barrier, { barrier_id: 'b1' }, { barrier_id: 'b1', participant, ...more }, { sentAt: driven.now() }));
  const die = (participant: string, at = driven.now()) => arrive(participant, { gone_at: new Date(at).toISOString() });
  const told = () => driven.bodies('coordination.sync.released');
  /** `released 3`, in order. */
  const said = () => told().map(({ status, arrived, code }) => [status, arrived, code].filter((part) => part !== undefined).join(' '));
  return { ...driven, arrive, die, told, said };
};

const three = { parties: 3 };

describe('a barrier', () => {
  it('releases all when the last of its parties came', () => {
    const { arrive, told } = story();
    arrive('a1', { ...three, phase: 'load' });
    arrive('a2', { ...three, phase: 'load' });
    expect(told()).toEqual([]);
    arrive('a3', { ...three, phase: 'load' });
    expect(told()).toEqual([{ barrier_id: 'b1', phase: 'load', generation: 1, status: 'released', parties: 3, arrived: 3 }]);
  });

  it('is there for the next phase at once', () => {
    const { arrive, told } = story();
    for (const phase of ['one', 'two']) for (const agent of ['a1', 'a2', 'a3']) arrive(agent, { ...three, phase });
    expect(told().map(({ phase, generation }) => `${phase} ${generation}`)).toEqual(['one 1', 'two 2']);
  });

  it('counts who comes twice once', () => {
    const { arrive, told, writes } = story();
    arrive('a1', three);
    const before = writes();
    for (let n = 0; n < 5; n++) arrive('a1', three);
    expect([told(), writes()]).toEqual([[], before]);
  });

  it('tells who comes late to a phase that is over its end again', () => {
    const { arrive, said, state } = story();
    for (const agent of ['a1', 'a2']) arrive(agent, { parties: 2, phase: 'one' });
    arrive('a2', { parties: 2, phase: 'one' });
    expect(said()).toEqual(['released 2', 'released 2']);
    expect(state('b1')).toMatchObject({ generation: 1, phase: null });
  });

  it('begins no phase anew for an arrival that comes once more, many phases later', () => {
    const { arrive, said, state } = story();
    for (let n = 1; n <= 20; n++) for (const agent of ['a1', 'a2']) arrive(agent, { parties: 2, phase: `${n}` });
    arrive('a1', { parties: 2, phase: '1' });
    expect([said().length, state('b1')?.phase]).toEqual([21, null]);
  });

  it("takes document 000's word for the deed for no name, and its sync_id for one", () => {
    const { arrive, told } = story();
    const named = { sync_id: 's1', phase: 'arriving', parties: 2 };
    arrive('a1', named);
    arrive('a2', { sync_id: 's1', phase: 'waiting', parties: 2 });
    arrive('a1', named);
    expect(told().map(({ sync_id, phase, status }) => [sync_id, phase, status])).toEqual([
      ['s1', undefined, 'released'],
      ['s1', undefined, 'released'],
    ]);
  });

  it('waits without end in sight until somebody says for how many', () => {
    const { arrive, said } = story();
    arrive('a1');
    arrive('a2');
    arrive('a3', three);
    expect(said()).toEqual(['released 3']);
  });

  it.each([
    [
      'another number of parties',
      'a2',
      { parties: 4 },
      'parties_conflict',
      'barrier b1 has 3 parties, a2 says 4: say the same, or nothing',
    ],
    ['a later phase', 'a2', { phase: 'two' }, 'phase_conflict', 'barrier b1 is at phase one, a2 came to two: wait until that is released'],
    ['too many', 'a2', { parties: 501 }, 'too_many_parties', 'barrier b1 would have 501 parties, 500 is the limit: use several barriers'],
  ])('refuses %s', (_, participant, more, code, reason) => {
    const { arrive, told } = story();
    arrive('a1', { ...three, phase: 'one' });
    arrive(participant, { phase: 'one', ...more });
    expect(told()).toMatchObject([{ status: 'refused', participant, code, reason }]);
  });

  it('refuses who is not among the participants that were named', () => {
    const { arrive, said } = story();
    arrive('a1', { participants: ['a1', 'a2'] });
    arrive('a3');
    arrive('a2');
    expect(said()).toEqual(['refused not_a_party', 'released 2']);
  });
});

describe('a phase that is not complete in time', () => {
  it('is broken, and says who is missing; the next one begins with the next who comes', () => {
    const { arrive, until, told, state } = story();
    arrive('a1', { participants: ['a1', 'a2', 'a3'], timeout_ms: 1000, phase: 'one' });
    until(START + 1000);
    expect(told()).toMatchObject([
      { status: 'broken', phase: 'one', arrived: 1, parties: 3, missing: ['a2', 'a3'], code: 'timed_out', reason: '1 of 3 came in time' },
    ]);
    arrive('a2', { phase: 'two' });
    expect(state('b1')).toMatchObject({ generation: 2, phase: { arrived: [{ agent: 'a2' }] } });
  });

  it('says so where nobody said how many have to come', () => {
    const { arrive, until, told } = story();
    arrive('a1', { timeout_ms: 1000 });
    until(START + 1000);
    expect(told()).toMatchObject([{ status: 'broken', reason: '1 came, and nobody said for how many they wait: say it in parties' }]);
  });

  it('knows from the phase before who is missing', () => {
    const { arrive, until, told } = story();
    for (const agent of ['a1', 'a2', 'a3']) arrive(agent, { ...three, phase: 'one' });
    arrive('a2', { phase: 'two', timeout_ms: 1000 });
    until(START + 1000);
    expect(told().at(-1)).toMatchObject({ status: 'broken', missing: ['a1', 'a3'] });
  });

  it('gets more time where the alarm comes too late, for that was an outage', () => {
    const { arrive, until, said } = story();
    arrive('a1', { parties: 2, timeout_ms: 1000 });
    until(START + 5000, 3000);
    expect(said()).toEqual([]);
    arrive('a2', { parties: 2 });
    expect(said()).toEqual(['released 2']);
  });
});

describe('a participant that died', () => {
  it('breaks the phase for all, as in a CyclicBarrier', () => {
    const { arrive, die, told } = story();
    for (const agent of ['a1', 'a2']) arrive(agent, three);
    die('a1');
    expect(told()).toMatchObject([{ status: 'broken', missing: ['a1'], code: 'participant_gone', reason: 'participant a1 is gone' }]);
  });

  it('is left out where the barrier is told so, as from a Phaser, until it comes again', () => {
    const { arrive, die, said } = story();
    const reduce = { ...three, on_death: 'reduce' };
    for (const agent of ['a1', 'a2', 'a3']) arrive(agent, { ...reduce, phase: 'one' });
    for (const agent of ['a1', 'a2']) arrive(agent, { ...reduce, phase: 'two' });
    die('a3');
    expect(said()).toEqual(['released 3', 'released 2']);
    for (const agent of ['a3', 'a1', 'a2']) arrive(agent, { ...reduce, phase: 'three' });
    expect(said()).toEqual(['released 3', 'released 2', 'released 3']);
  });

  it('has its place taken by somebody new', () => {
    const { arrive, die, said } = story();
    const reduce = { parties: 2, on_death: 'reduce' };
    for (const agent of ['a1', 'a2']) arrive(agent, { ...reduce, phase: 'one' });
    die('a1');
    for (const agent of ['a3', 'a2']) arrive(agent, { ...reduce, phase: 'two' });
    expect(said()).toEqual(['released 2', 'released 2']);
  });

  it('leaves a barrier that begins anew, when it was the last one: the next crew waits for all of them', () => {
    const { arrive, die, said } = story();
    const reduce = { parties: 2, on_death: 'reduce' };
    for (const agent of ['a1', 'a2']) arrive(agent, { ...reduce, phase: 'one' });
    for (const agent of ['a1', 'a2']) die(agent);
    arrive('a1', { ...reduce, phase: 'two' });
    expect(said()).toEqual(['released 2']);
    arrive('a2', { ...reduce, phase: 'two' });
    expect(said()).toEqual(['released 2', 'released 2']);
  });

  it('of a phase at which nobody is left breaks it', () => {
    const { arrive, die, said } = story();
    const reduce = { parties: 2, on_death: 'reduce' };
    for (const agent of ['a1', 'a2']) arrive(agent, { ...reduce, phase: 'one' });
    arrive('a1', { ...reduce, phase: 'two' });
    for (const agent of ['a1', 'a2']) die(agent);
    expect(said()).toEqual(['released 2', 'broken 0 participant_gone']);
  });

  it('of an earlier crew is nobody that the next one waits for', () => {
    const { arrive, die, said } = story();
    for (const agent of ['a1', 'a2']) arrive(agent, { parties: 2, phase: 'one' });
    arrive('b1', { parties: 2, phase: 'two' });
    die('a1');
    arrive('b2', { parties: 2, phase: 'two' });
    expect(said()).toEqual(['released 2', 'released 2']);
  });

  it('counts as there when it came after that', () => {
    const { arrive, die, told } = story();
    arrive('a1', three);
    die('a1', START - 1);
    die('stranger');
    expect(told()).toEqual([]);
  });

  it('is told to the barriers at which it was', () => {
    const party = { barriers: { b1: START, b2: START } };
    const told = (event: Parameters<typeof decideParty>[1]) =>
      (decideParty(party, event, { id: 'a1' }) as { publish?: { body: unknown }[] }).publish;
    const gone = (barrier_id: string) => ({
      subject: `coordination.sync.barrier.${barrier_id}`,
      body: { barrier_id, participant: 'a1', gone_at: new Date(START).toISOString() },
    });
    expect(told(received(agentStopped, { agent_id: 'a1' }, { agent_id: 'a1' }))).toEqual([gone('b1'), gone('b2')]);
    const body = { agent_id: 'a1', failure_type: 'memory_leak', severity: 'high' };
    expect(told(received(failure, { severity: 'high' }, body))).toBeUndefined();
  });

  test('of so many barriers as it came to last', () => {
    let party = withBarrier(undefined, 'b0', START);
    for (let n = 1; n <= 60; n++) party = withBarrier(party, `b${n}`, START + n) ?? party;
    expect(Object.keys(party?.barriers ?? {})).toEqual(Array.from({ length: 50 }, (_, n) => `b${n + 11}`));
    expect(withBarrier(party, 'b60', START + 1000)).toBeUndefined();
  });
});
