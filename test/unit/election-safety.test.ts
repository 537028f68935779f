/**
 * Elections under loss, delay, repetition, reordering, crashes, failed writes and clocks that disagree, from thousands of seeds: what
 * happened is judged by a checker, which is shown to see what is wrong, and the mistakes that a decision could make.
 */
import { describe, expect, it, test } from 'vitest';
import type { Output } from '#shared/entity/entity.ts';
import type { Told } from '#test/support/election-candidates.ts';
import { type History, orderViolations, tokenViolations, violations } from '#test/support/election-history.ts';
import { type Faults, NO_FAULTS, simulateElection } from '#test/support/election-sim.ts';
import type { Mutant } from '#test/support/election-table.ts';

const LEASE = 15_000;
const WILD: Faults = { ...NO_FAULTS, loss: 0.15, repeat: 0.15, slow: 0.15, failedWrites: 0.15, crashes: 0.4, clocks: 0.8 };

const wild = (seed: number, more: Partial<Parameters<typeof simulateElection>[0]> = {}) =>
  simulateElection({ seed, candidates: 2 + (seed % 5), faults: WILD, faultyMs: 180_000, quietMs: 45_000, ...more });

test('whatever happens: one leader a term, tokens that only grow, never two at once; and one leads when the faults are over', () => {
  for (let seed = 1; seed <= 1500; seed++) {
    const world = wild(seed);
    const leaders = world.leaders.length;
    expect([seed, violations(world.finish()), leaders]).toEqual([seed, [], 1]);
  }
});

test('whatever clocks do: one leader a term, terms and tokens that only grow; and one leads when they are right again', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const world = wild(seed, { faults: { ...WILD, jumps: 0.2 }, quietMs: 120_000 });
    const leaders = world.leaders.length;
    expect([seed, orderViolations(world.finish()), leaders]).toEqual([seed, [], 1]);
  }
});

test('whatever the table forgets: one leader a token, tokens that only grow; and one leads in the end', () => {
  for (let seed = 1; seed <= 300; seed++) {
    // What was announced of a term that is there again is late by a minute at most.
    const world = wild(seed, { faults: { ...WILD, restores: 0.2 }, quietMs: 120_000 });
    const leaders = world.leaders.length;
    expect([seed, tokenViolations(world.finish()), leaders]).toEqual([seed, [], 1]);
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
  const led = (agent: string, term: number, from: number, to: number, token = term) => ({ agent, term, token, from, to });
  const said = (leader: string | null, term: number, fencing_token = term) => ({ leader, term, fencing_token });
  const from = (tenures: History['tenures'], announced: History['announced'] = []) => violations({ tenures, announced });
  it.each<[string, string[], string[]]>([
    ['two leaders at once', from([led('a', 1, 0, 10), led('b', 2, 9, 20)]), ['two at once: a until 10, b from 9']],
    [
      'a short one inside a long one',
      from([led('a', 1, 0, 100), led('a', 2, 5, 6), led('b', 3, 50, 51)]),
      ['two at once: a until 100, b from 50'],
    ],
    ['two leaders of a term', from([led('a', 1, 0, 10), led('b', 1, 10, 20)]), ['two leaders of term 1: a and b']],
    ['a term that goes back', from([], [said('a', 2, 1), said(null, 1, 1)]), ['term 1 after 2']],
    ['a token that goes back', from([], [said('a', 1, 9), said('b', 2, 8)]), ['b with token 8 after 9']],
    ['a token twice', from([], [said('a', 1, 9), said('b', 2, 9)]), ['two leaders with token 9: a and b']],
    ["somebody else's token", from([led('b', 2, 0, 1, 9)], [said('a', 1, 9), said('b', 2, 10)]), ['two leaders with token 9: a and b']],
    ['nothing where one leads after the other', from([led('a', 1, 0, 10), led('b', 2, 10, 20)]), []],
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

test('a token that is no more than the term is caught, where the table forgets', () => {
  const byTerm = ({ subject, body }: Output): Output => ({ subject, body: { ...(body as Told), fencing_token: (body as Told).term } });
  const mutant: Mutant = (decide, state, event, context) => {
    const decision = decide(state, event, context);
    return decision.outcome === 'done' ? { ...decision, publish: decision.publish?.map(byTerm) ?? [] } : decision;
  };
  const caught = (seed: number) => tokenViolations(wild(seed, { mutant, faults: { ...WILD, restores: 0.2 } }).finish()).length > 0;
  expect(Array.from({ length: 20 }, (_, seed) => seed).some(caught)).toBe(true);
});
