/**
 * Tasks for many under faults, from seeds: what is said of tasks is late, repeated, reordered and lost, bridges die with their
 * answers, nobody hears anything for a minute. What a group ends with is what a model says that knows of no messages.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seeded } from '#test/sim/random.ts';
import { type Asked, type Deed, failed, groupWorld, ok } from '#test/support/group-world.ts';

type Plan = {
  type: string;
  body: Record<string, unknown>;
  size: number;
  fails: ReadonlySet<number> /** What makes answers too large for the state. */;
  pad: string;
};

const NUMBER = /-(\d+)b?$/;
const reduced = (payload: unknown): unknown => (Array.isArray(payload) ? `(${payload.join(' ')})` : payload);
const splitsOf = (size: number): number[] => Array.from({ length: size }, (_, n) => n);

/** A group of any type, some of whose parts fail. */
const planOf = (random: ReturnType<typeof seeded>): Plan => {
  const type = random.pick(['broadcast', 'parallel', 'pipeline', 'map_reduce']);
  const size = random.between(1, 12);
  const pad = '.'.repeat(random.pick([0, 0, 5000]));
  const fails = new Set(splitsOf(size).filter(() => random() < (type === 'broadcast' ? 0.2 : 0.04)));
  const shared = { requirements: { timeout_ms: 3_600_000 }, ...(random() < 0.5 && { max_parallel: random.between(1, 5) }) };
  const bodies: Record<string, object> = {
    broadcast: { payload: 'hi' },
    parallel: { parts: splitsOf(size).map((n) => ({ payload: `${n}${pad}` })), on_failure: random.pick(['collect', 'fail_fast']) },
    pipeline: { stages: splitsOf(size).map((n) => ({ name: `s${n}` })), payload: 'x' },
    map_reduce: { splits: splitsOf(size).map((n) => `${n}${pad}`), ...(random() < 0.7 && { reduce: { fan_in: random.between(2, 4) } }) },
  };
  return { type, body: { ...shared, ...bodies[type] }, size, fails, pad };
};

/** What a part answers. */
const deedOf =
  ({ type, size, fails, pad }: Plan, random: ReturnType<typeof seeded>) =>
  (task: Asked): Deed => {
    const n = Number(NUMBER.exec(task.task_id)?.[1]) - 1;
    const ms = random.pick([1, 5, 20, 500, 4000]);
    if (fails.has(n) && n < size) return { ...failed, ms };
    if (type === 'pipeline') return ok(`${task.payload}${n}${pad}`, ms);
    return ok(type === 'broadcast' ? `by ${task.participants}${pad}` : reduced(task.payload), ms);
  };

const reduceAll = (results: unknown[], fanIn: number): unknown => {
  const layer = splitsOf(Math.ceil(results.length / fanIn)).map((n) => reduced(results.slice(n * fanIn, (n + 1) * fanIn)));
  return layer.length === 1 ? layer[0] : reduceAll(layer, fanIn);
};

/** How it ends, said without messages; `result` undefined: what it is depends on who was first. */
const model = ({ type, body, size, fails, pad }: Plan): { outcome: string; result?: unknown } => {
  const outcome = fails.size === 0 ? 'completed' : 'failed';
  const all = splitsOf(size);
  const words = all.map((n) => `${n}${pad}`);
  if (type === 'broadcast')
    return { outcome, result: Object.fromEntries(all.flatMap((n) => (fails.has(n) ? [] : [[`a${n}`, `by a${n}${pad}`]]))) };
  if (type === 'parallel' && body.on_failure === 'collect')
    return { outcome, result: words.map((word, n) => (fails.has(n) ? null : word)) };
  if (outcome === 'failed') return { outcome };
  if (type === 'parallel') return { outcome, result: words };
  if (type === 'pipeline') return { outcome, result: `x${words.join('')}` };
  const { fan_in = Math.max(2, size) } = (body.reduce ?? {}) as { fan_in?: number };
  return { outcome, result: reduceAll(words, fan_in) };
};

/** What had an effect, without backups, which may. */
const inEffect = (log: readonly string[]): string[] => log.filter((id) => !id.endsWith('b'));

const seeds = fc.integer({ min: 0, max: 1_000_000 });

test('a group ends once, as the model says, and no part is in effect twice', async () => {
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const random = seeded(seed);
      const plan = planOf(random);
      const world = groupWorld({
        deed: deedOf(plan, random),
        reaching: () => random.pick([[0], [0, 30], [2000], [5, 9000], []]),
        telling: () => random.pick([[0], [0, 0], [700, 3], [0, 50_000], [4000]]),
        cancelling: () => random.pick([[0], [10, 20], []]),
        crashing: () => random() < 0.3,
      });
      await world.join(
        splitsOf(plan.size)
          .map((n) => `a${n}`)
          .sort(),
      );
      const names = splitsOf(plan.size)
        .map((n) => `a${n}`)
        .sort();
      const ordered =
        plan.type === 'broadcast' ? { ...plan, fails: new Set([...plan.fails].map((n) => Number(names[n]?.slice(1)))) } : plan;
      await world.start(plan.type, plan.body);
      await world.pass(random.between(0, 3000));
      if (random() < 0.3) await world.outage(60_000);
      await world.start(plan.type, plan.body);
      await world.pass(7_200_000);
      const { outcome, result } = model(ordered);
      expect(world.ends()).toHaveLength(1);
      expect(world.ends()[0]).toMatchObject({ outcome, ...(result !== undefined && { result }) });
      const [{ attempts, counts } = {}] = world.ends() as { attempts?: number; counts?: { parts: number } }[];
      if (outcome === 'completed') expect(attempts).toBe(counts?.parts);
      const effects = inEffect(world.log);
      expect(new Set(effects).size).toBe(effects.length);
      const most = (plan.body.max_parallel as number | undefined) ?? Infinity;
      expect(
        world.bodies('coordination.tasks.status.g').every(({ progress }) => (progress as { under_way: number }).under_way <= most),
      ).toBe(true);
      expect([world.timers.size, [...world.tasks.values()].filter(({ ended }) => !ended).length]).toEqual([0, 0]);
    }),
    { numRuns: 80 },
  );
});

test('with ends that are never told, hanging agents, little time or a cancel it ends once all the same, and calls off what is under way', async () => {
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const random = seeded(seed);
      const plan = planOf(random);
      const does = deedOf(plan, random);
      let faulty = true;
      const arrives = (): readonly number[] => (faulty ? random.pick([[0], [0, 0], [900], []]) : [0]);
      const world = groupWorld({
        deed: (task) => ({ ...does(task), ...(random() < 0.3 && { ms: Infinity }) }),
        reaching: arrives,
        telling: arrives,
        cancelling: arrives,
        crashing: () => faulty && random() < 0.3,
      });
      await world.join(splitsOf(plan.size).map((n) => `a${n}`));
      await world.start(plan.type, { ...plan.body, requirements: { timeout_ms: random.pick([2000, 60_000, 600_000]) } });
      await world.pass(random.between(0, 20_000));
      if (random() < 0.3) await world.ask('cancel');
      faulty = false;
      await world.pass(7_200_000);
      expect(world.ends()).toHaveLength(1);
      expect([world.timers.size, [...world.tasks.values()].filter(({ ended }) => !ended).length]).toEqual([0, 0]);
    }),
    { numRuns: 80 },
  );
});
