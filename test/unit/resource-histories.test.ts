/** Resources under loss, delay, duplication, reordering, crashes and clocks that differ: histories from seeds, judged from outside. */
import { describe, expect, test } from 'vitest';
import { resources } from '#functions/resource-manager/decide.ts';
import type { Resource } from '#functions/resource-manager/resource.ts';
import type { AnySpec, Decision } from '#shared/entity/entity.ts';
import { isLinearizable } from '#test/support/linearizability.ts';
import { type LockOp, lock } from '#test/support/lock-history.ts';
import { type LockPlan, runLocks } from '#test/support/lock-world.ts';

const CALM = { loss: 0, doubled: 0, delay: 20, crashes: 0, lies: false };
const ROUGH = { loss: 0.1, doubled: 0.1, delay: 300, crashes: 0.05, lies: false };
const LYING = { ...ROUGH, lies: true };

const plan = (faults: LockPlan['faults'], capacity: Record<string, number> = { r1: 1, r2: 1, r3: 2 }): LockPlan => ({
  agents: 4,
  capacity,
  rounds: 2,
  faults,
});

/** More of everything on less. */
const HARSH: LockPlan = { agents: 3, capacity: { r1: 1, r2: 1 }, rounds: 4, faults: { ...ROUGH, doubled: 0.5, delay: 1200 } };
const TIGHT: LockPlan = { agents: 3, capacity: { r1: 1, r2: 1 }, rounds: 4, faults: CALM };

const run = (seeds: number, of: LockPlan, spec?: AnySpec) =>
  Array.from({ length: seeds }, (_, seed) => ({ seed, ...runLocks(seed, of, spec) }));
const problemsIn = (runs: ReturnType<typeof run>) => runs.flatMap(({ seed, problems }) => problems.map((problem) => `${seed}: ${problem}`));
/** Resources whose histories no lock could have. */
const unlikeLocks = (histories: ReadonlyMap<string, readonly LockOp[]>): string[] =>
  [...histories].filter(([id, history]) => !isLinearizable(history, lock(id === 'r3' ? 2 : 1))).map(([id]) => id);
const sum = (runs: ReturnType<typeof run>, what: keyof ReturnType<typeof runLocks>['seen']) =>
  runs.reduce((n, { seen }) => n + seen[what], 0);

describe('agents that share resources', () => {
  test('never hold more than there is by their own clocks, in order, with tokens that grow, and all end once faults stop', () => {
    const runs = run(1000, plan(ROUGH));
    expect(problemsIn(runs)).toEqual([]);
    // The schedules reach what they are for.
    for (const what of ['grants', 'handOvers', 'transfers', 'expiries', 'deadlocks', 'stale'] as const)
      expect(sum(runs, what)).toBeGreaterThan(50);
  });

  test('whose clocks jump and who are taken for dead are held off by their tokens', () => {
    expect(problemsIn(run(500, plan(LYING, { r1: 1, r2: 1 })))).toEqual([]);
  });

  test('on a network that is worse than that', () => {
    expect(problemsIn(run(300, HARSH))).toEqual([]);
  });

  test('without faults wait for each other and nothing else', () => {
    const runs = run(200, plan(CALM));
    expect(problemsIn(runs)).toEqual([]);
    expect(sum(runs, 'expiries')).toBe(0);
  });

  test('leave histories that a lock could have', () => {
    for (const { seed, histories } of run(300, plan(ROUGH))) expect([seed, ...unlikeLocks(histories)]).toEqual([seed]);
  });
});

type Decide = typeof resources.decide;
type Done = Extract<Decision<Resource>, { outcome: 'done' }>;

const mutant = (change: (decide: Decide) => Decide): AnySpec => ({ ...resources, decide: change(resources.decide) }) as AnySpec;
const answering = (change: (decision: Done) => Done) =>
  mutant(
    (decide) =>
      (...args) =>
        change(decide(...args) as Done),
  );

const mutants: Record<string, AnySpec> = {
  'forgets a holder': mutant(
    (decide) => (state, event, context) => decide(state && context.now % 50 === 0 ? { ...state, holders: [] } : state, event, context),
  ),
  'counts tokens from one': mutant(
    (decide) => (state, event, context) =>
      decide(state && state.holders.length === 0 ? { ...state, token: 0 } : state, event, { ...context, now: context.now - 10_000 }),
  ),
  'serves the last first': mutant(
    (decide) => (state, event, context) => decide(state && { ...state, waiters: state.waiters.toReversed() }, event, context),
  ),
  'ends leases too early': mutant(
    (decide) => (state, event, context) =>
      decide(state && { ...state, holders: state.holders.map((one) => ({ ...one, until: one.until - 1500 })) }, event, context),
  ),
  'sets no alarm': answering((decision) => ({ ...decision, wakeAt: null })),
  'does not look at tokens': mutant((decide) => (state, event, context) => {
    if (event.message !== 'resourceRequest') return decide(state, event, context);
    const { fencing_token: _, ...body } = event.body;
    return decide(state, { ...event, body } as typeof event, context);
  }),
  'sees no deadlock': mutant(
    (decide) => (state, event, context) =>
      decide(state, event.message === 'alarm' ? { ...event, key: 'x#y' } : event, { ...context, view: { graph: new Map() } }),
  ),
  'does not say who waits': answering(({ also: _, ...decision }) => decision),
  'forgets who waits': answering((decision) => (decision.state ? { ...decision, state: { ...decision.state, waiters: [] } } : decision)),
  'takes every token for good': answering((decision) =>
    decision.reply && 'body' in decision.reply
      ? { ...decision, reply: { body: { ...(decision.reply.body as object), current: true } } }
      : decision,
  ),
};

describe('a manager that', () => {
  test.each(Object.entries(mutants))('%s is caught', (_, spec) => {
    const isCaught = (seed: number): boolean =>
      [HARSH, TIGHT].some((of) => {
        const { problems, histories } = runLocks(seed, of, spec);
        return problems.length > 0 || unlikeLocks(histories).length > 0;
      });
    expect(Array.from({ length: 60 }, (_, seed) => seed).some(isCaught)).toBe(true);
  });
});

describe('the checker', () => {
  const acquire = (token: number, call: number, end: number): LockOp => ({ kind: 'acquire', token, call, return: end });
  const end = (token: number, call: number): LockOp => ({ kind: 'end', token, call, return: Infinity });
  const check = (token: number, current: boolean, at: number): LockOp => ({ kind: 'check', token, current, call: at, return: at + 1 });

  test.each<[string, LockOp[]]>([
    ['one after the other', [acquire(1, 0, 1), end(1, 5), acquire(2, 2, 7)]],
    [
      'a lease that ends before the next one begins, though nobody saw it',
      [acquire(1, 0, 1), end(1, 2), acquire(2, 3, 9), check(1, false, 4)],
    ],
    ['a request that was never answered, and took effect', [acquire(1, 0, Infinity), check(1, true, 5)]],
    ['calls at the same time, in the other order', [acquire(2, 0, 9), acquire(1, 1, 9), end(1, 1)]],
  ])('takes %s', (_, history) => expect(isLinearizable(history, lock(1))).toBe(true));

  test.each<[string, LockOp[]]>([
    ['two holders', [acquire(1, 0, 1), end(1, 9), acquire(2, 2, 7)]],
    ['a token that goes back', [acquire(2, 0, 1), end(2, 2), acquire(1, 3, 4)]],
    ['a token twice', [acquire(1, 0, 1), end(1, 2), acquire(1, 3, 4)]],
    ['a stale token that passes', [acquire(1, 0, 1), end(1, 2), acquire(2, 3, 4), check(1, true, 5)]],
    ['a token that is refused and stands again', [acquire(1, 0, 1), end(1, 2), check(1, false, 3), check(1, true, 5)]],
    ['a token that passes before anybody asked', [check(1, true, 0), acquire(1, 2, 3)]],
  ])('finds %s', (_, history) => expect(isLinearizable(history, lock(1))).toBe(false));
});
