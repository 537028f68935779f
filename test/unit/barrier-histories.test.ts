/** Barriers under loss, delay, duplication, reordering and deaths: histories from seeds, judged from outside. */
import { describe, expect, test } from 'vitest';
import { barriers } from '#functions/barrier/decide.ts';
import type { AnySpec } from '#shared/entity/entity.ts';
import { type BarrierPlan, runBarrier } from '#test/support/barrier-world.ts';

const ROUGH = { loss: 0.2, doubled: 0.2, delay: 500, deaths: 0, jumps: 5000 };
const DEADLY = { ...ROUGH, deaths: 0.03 };
const plan = (onDeath: BarrierPlan['onDeath'], faults: BarrierPlan['faults']): BarrierPlan => ({
  participants: 4,
  phases: 4,
  onDeath,
  faults,
});

const run = (seeds: number, of: BarrierPlan, spec?: AnySpec) =>
  Array.from({ length: seeds }, (_, seed) => ({ seed, ...runBarrier(seed, of, spec) }));
const problemsIn = (runs: ReturnType<typeof run>) => runs.flatMap(({ seed, problems }) => problems.map((problem) => `${seed}: ${problem}`));
const count = (runs: ReturnType<typeof run>, status: string) =>
  runs.flatMap(({ ends }) => ends.filter((end) => end.startsWith(status))).length;

describe('a barrier of four', () => {
  test('releases each phase once, when all of them came and not before, and everybody hears of it', () => {
    const runs = run(1000, plan('break', ROUGH));
    expect(problemsIn(runs)).toEqual([]);
    expect(runs.flatMap(({ ends }) => ends)).toEqual(runs.flatMap(() => [1, 2, 3, 4].map((n) => `released ${n}`)));
  });

  test.each(['break', 'reduce'] as const)('whose participants die ends each phase once all the same (%s)', (onDeath) => {
    const runs = run(500, plan(onDeath, DEADLY));
    expect(problemsIn(runs)).toEqual([]);
    expect(runs.filter(({ deaths }) => deaths > 0).length).toBeGreaterThan(100);
    expect(count(runs, 'released')).toBeGreaterThan(100);
    if (onDeath === 'break') expect(count(runs, 'broken')).toBeGreaterThan(50);
  });
});

type Decide = typeof barriers.decide;
const mutant = (change: (decide: Decide) => Decide): AnySpec => ({ ...barriers, decide: change(barriers.decide) }) as AnySpec;

const mutants: Record<string, AnySpec> = {
  'releases one too early': mutant(
    (decide) => (state, event, context) => decide(state?.phase ? { ...state, gone: ['x'] } : state, event, context),
  ),
  'counts who comes twice twice': mutant(
    (decide) => (state, event, context) =>
      decide(
        state?.phase
          ? { ...state, phase: { ...state.phase, arrived: state.phase.arrived.map((one) => ({ ...one, agent: `${one.agent}x` })) } }
          : state,
        event,
        context,
      ),
  ),
  'forgets what is over': mutant((decide) => (state, event, context) => decide(state && { ...state, past: [] }, event, context)),
  'tells it only once': mutant((decide) => (state, event, context) => {
    const decision = decide(state, event, context);
    if (decision.outcome !== 'done' || decision.state !== undefined) return decision;
    const { publish: _, ...quiet } = decision;
    return quiet;
  }),
};

test.each(Object.entries(mutants))('a barrier that %s is caught', (_, spec) => {
  expect(problemsIn(run(30, plan('break', ROUGH), spec)).length).toBeGreaterThan(0);
});
