/**
 * Elections under loss, delay, repetition, reordering, crashes, failed writes and clocks that disagree, from thousands of seeds: what
 * happened is judged by a checker, which is shown to see what is wrong, and the mistakes that a decision could make.
 */
import { describe, expect, it, test } from 'vitest';
import { type History, violations } from '#test/support/election-history.ts';
import { type Faults, NO_FAULTS, simulateElection } from '#test/support/election-sim.ts';
import type { Mutant } from '#test/support/election-table.ts';

const LEASE = 15_000;
const WILD: Faults = { loss: 0.15, repeat: 0.15, slow: 0.15, failedWrites: 0.15, crashes: 0.4, clocks: 0.8 };

const wild = (seed: number, more: Partial<Parameters<typeof simulateElection>[0]> = {}) =>
  simulateElection({ seed, candidates: 2 + (seed % 5), faults: WILD, faultyMs: 180_000, quietMs: 45_000, ...more });

test('whatever happens: one leader a term, tokens that only grow, never two at once; and one leads when the faults are over', () => {
  for (let seed = 1; seed <= 2000; seed++) {
    const world = wild(seed);
    const leaders = world.leaders.length;
    expect([seed, violations(world.finish()), leaders]).toEqual([seed, [], 1]);
  }
});

test.each([2, 20, 200])('a new leader is there within 2 leases of the death of the old one, of %i candidates', (candidates) => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = simulateElection({ seed, candidates, faults: NO_FAULTS, faultyMs: 0, quietMs: 40_000 });
    const [leader = ''] = world.leaders;
    world.crash(leader);
    world.runUntil(2 * LEASE);
    expect([seed, world.leadersNow().length]).toEqual([seed, 1]);
    expect(violations(world.finish())).toEqual([]);
  }
});

describe('the checker sees', () => {
  const from = (tenures: History['tenures'], announced: History['announced'] = []) => violations({ tenures, announced });
  it.each<[string, string[], string[]]>([
    [
      'two leaders at once',
      from([
        { agent: 'a', term: 1, from: 0, to: 10 },
        { agent: 'b', term: 2, from: 9, to: 20 },
      ]),
      ['two at once: a until 10, b from 9'],
    ],
    [
      'a short one inside a long one',
      from([
        { agent: 'a', term: 1, from: 0, to: 100 },
        { agent: 'a', term: 2, from: 5, to: 6 },
        { agent: 'b', term: 3, from: 50, to: 51 },
      ]),
      ['two at once: a until 100, b from 50'],
    ],
    [
      'two leaders of a term',
      from([
        { agent: 'a', term: 1, from: 0, to: 10 },
        { agent: 'b', term: 1, from: 10, to: 20 },
      ]),
      ['two leaders of term 1: a and b'],
    ],
    [
      'a term that goes back',
      from(
        [],
        [
          { leader: 'a', term: 2 },
          { leader: null, term: 1 },
        ],
      ),
      ['term 1 after 2'],
    ],
    [
      'nothing where one leads after the other',
      from([
        { agent: 'a', term: 1, from: 0, to: 10 },
        { agent: 'b', term: 2, from: 10, to: 20 },
      ]),
      [],
    ],
  ])('%s', (_, found, expected) => {
    expect(found).toEqual(expected);
  });
});

const mistakes: Record<string, { mutant?: Mutant; environment?: Record<string, string> }> = {
  'tells its leader the whole lease': { environment: { ELECTION_SKEW_MS: '0' } },
  'answers every vote': {
    mutant: (decide, state, event, context) =>
      event.message === 'electionVote' && state
        ? decide({ phase: 'free', term: state.term, since: 0 }, event, {
            ...context,
            also: () => ({ domains: ['nlp'], since: 0 }) as never,
          })
        : decide(state, event, context),
  },
  'takes any heartbeat for that of the leader': {
    mutant: (decide, state, event, context) =>
      event.message === 'electionHeartbeat'
        ? decide(state && { ...state, leader: event.body.agent_id, lapsed: event.body.agent_id }, event, context)
        : decide(state, event, context),
  },
  'keeps the term': {
    mutant: (decide, state, event, context) => decide(state && { ...state, term: 0 }, event, context),
  },
  'believes an alarm, not the time': {
    mutant: (decide, state, event, context) =>
      decide(state, event, event.message === 'alarm' ? { ...context, now: context.now + 1e6 } : context),
  },
  'believes what was said of an earlier life': {
    mutant: (decide, state, event, context) =>
      decide(state, ['agentStopped', 'failure'].includes(event.message) ? { ...event, sentAt: context.now + 1e6 } : event, context),
  },
  'frees a domain as soon as an operator says so': {
    mutant: (decide, state, event, context) =>
      event.message === 'controlElectionResign'
        ? decide(state, { ...event, body: { ...event.body, agent_id: state?.leader } }, context)
        : decide(state, event, context),
  },
  'forgets that its leader began anew': {
    mutant: (decide, state, event, context) => {
      const decision = decide(state, event, context);
      const isSame = decision.outcome === 'done' && state?.phase === 'held' && decision.state?.term === state.term;
      return isSame ? { ...decision, state: { ...decision.state, since: state.since } } : decision;
    },
  },
  'ends a lease that was renewed': {
    mutant: (decide, state, event, context) =>
      decide(state?.phase === 'held' ? { ...state, until: state.since + LEASE } : state, event, context),
  },
};

test.each(Object.entries(mistakes))('a decision that %s is caught', (_, mistake) => {
  let seed = 1;
  while (seed <= 500 && violations(wild(seed, mistake).finish()).length === 0) seed++;
  expect(seed).toBeLessThanOrEqual(500);
});
