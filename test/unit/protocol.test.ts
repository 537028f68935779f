/**
 * The protocol by a model (docs/protocol.md): the real engine and the real dispatcher in a simulated world, thousands of
 * seeds. `SIM_SEEDS=100000 npx vitest run test/unit/protocol.test.ts` runs longer, `SIM_FROM=4711 SIM_SEEDS=1` one seed.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { crashes, type NamedAttack } from '#test/sim/attack.ts';
import { bridgeAttacks } from '#test/sim/bridge-attacks.ts';
import { engineAttacks } from '#test/sim/engine-attacks.ts';
import { epochAttacks } from '#test/sim/epoch-attacks.ts';
import { orderAttacks } from '#test/sim/order-attacks.ts';
import { otherAttacks } from '#test/sim/other-attacks.ts';
import { drawPlan, type FaultName, type Focus } from '#test/sim/plan.ts';
import { explain } from '#test/sim/shrink.ts';
import { type Attack, simulate } from '#test/sim/simulate.ts';

const SEEDS = Number(process.env.SIM_SEEDS ?? 4000);
const FROM = Number(process.env.SIM_FROM ?? 1);
const ATTACK_SEEDS = 2000;

/** Functions that stand in for those of a module while a rule is switched off. */
const { instead } = vi.hoisted(() => ({ instead: new Map<string, (...args: unknown[]) => unknown>() }));
const replaceable = vi.hoisted(() => (module: Record<string, unknown>) => {
  const wrap = (name: string, real: unknown) => {
    if (typeof real !== 'function' || /^[A-Z]/.test(name)) return real;
    return (...args: unknown[]) => {
      const other = instead.get(name);
      if (!other) return real(...args);
      instead.delete(name);
      try {
        return other(...args);
      } finally {
        instead.set(name, other);
      }
    };
  };
  return Object.fromEntries(Object.entries(module).map(([name, real]) => [name, wrap(name, real)]));
});
vi.mock('#shared/entity/applied.ts', async (original) => replaceable(await original()));
vi.mock('#shared/entity/epoch.ts', async (original) => replaceable(await original()));
vi.mock('#shared/entity/outbox.ts', async (original) => replaceable(await original()));
vi.mock('#shared/entity/working.ts', async (original) => replaceable(await original()));

describe('one effect a message', () => {
  it('the same seed is the same run', async () => {
    const runs = [await simulate(drawPlan(42), { traced: true }), await simulate(drawPlan(42), { traced: true })];
    expect(runs[0]).toEqual(runs[1]);
    expect(runs[0]?.trace.length).toBeGreaterThan(20);
  });

  it(`holds for ${SEEDS} seeds`, { timeout: 60_000 + SEEDS * 20 }, async () => {
    for (let seed = FROM; seed < FROM + SEEDS; seed++) {
      const { violations } = await simulate(drawPlan(seed));
      if (violations.length > 0) expect.fail(await explain(drawPlan(seed)));
    }
  });
});

describe('it holds while', () => {
  const FOCUSED_SEEDS = 300;
  const failing: FaultName[] = ['the function throws', 'a decision throws', 'a publish is slow', 'the function is slow'];
  const holds = async (focus: Focus) => {
    for (let seed = 1; seed <= FOCUSED_SEEDS; seed++) {
      const { violations } = await simulate(drawPlan(seed, focus));
      if (violations.length > 0) expect.fail(await explain(drawPlan(seed, focus)));
    }
  };

  it.each<[string, Focus]>([
    ['two bridges own a function at once', { faults: ['two bridges own it', ...crashes], ordered: false }],
    ['a binding is reset and replayed under load', { faults: ['the consumer is reset', 'two bridges own it', ...crashes] }],
    [
      'an ordered binding is handed over',
      { faults: ['the bridge is restarted', 'the bridge is restarted', ...failing], ordered: true, keys: ['a'], core: 0, kinds: ['add'] },
    ],
    ['an ordered binding’s owner dies', { faults: ['the bridge crashes', ...failing], ordered: true, keys: ['a'], core: 0 }],
  ])('%s', { timeout: 60_000 }, (_, focus) => holds(focus));
});

describe('a run that breaks', () => {
  it('is shrunk to the messages and faults that it needs, and told as a trace', async () => {
    const attack: Attack = { publisher: (publisher) => ({ ...publisher, publish: async () => undefined }) };
    const story = await explain(drawPlan(7), attack);
    expect(story).toMatch(/^seed 7 breaks the protocol:\n {2}m\d+ \(/);
    expect(story.match(/ is published: /g)).toHaveLength(1);
  });
});

describe('every rule is needed', () => {
  afterEach(() => instead.clear());

  const breaks = async ({ focus, given, attack, instead: mutants = {} }: NamedAttack, seed: number): Promise<boolean> => {
    for (const [name, mutant] of Object.entries(mutants)) instead.set(name, mutant);
    const { violations } = await simulate(drawPlan(seed, focus), { attack: { ...given, ...attack?.() } });
    instead.clear();
    if (violations.length === 0) return false;
    const healthy = await simulate(drawPlan(seed, focus), { attack: given ?? {} });
    expect(healthy.violations).toEqual([]);
    return true;
  };

  it.each([...engineAttacks, ...bridgeAttacks, ...orderAttacks, ...epochAttacks, ...otherAttacks])(
    '$rule: without $without a run breaks',
    { timeout: 120_000 },
    async (attack) => {
      let broken = false;
      for (let seed = 1; seed <= ATTACK_SEEDS && !broken; seed++) broken = await breaks(attack, seed);
      expect(broken).toBe(true);
    },
  );
});
