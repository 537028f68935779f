/** Restarts by OTP's rules: every strategy, restart type, intensity and auto-shutdown, against a model of its documentation. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AUTO_SHUTDOWNS, RESTART_TYPES, STRATEGIES } from '#shared/messages/supervisor.ts';
import { levelOf, touchedBy } from '#shared/supervision/strategy.ts';
import { type Child, defaultChild, defaultSupervisor } from '#shared/supervision/supervisor.ts';
import { otpModel } from '#test/support/otp-model.ts';
import { type Forest, recoveryWorld, START, supervisorsOf } from '#test/support/recovery-world.ts';

const children = ['a', 'b', 'c'].map(defaultChild);
const ids = (touched: Child[]) => touched.map(({ id }) => id).join('');

test.each([
  ['one_for_one', 'b', 'b'],
  ['rest_for_one', 'a', 'abc'],
  ['rest_for_one', 'b', 'bc'],
  ['rest_for_one', 'c', 'c'],
  ['one_for_all', 'b', 'abc'],
] as const)('%s: the end of %s touches %s', (strategy, child, expected) => {
  expect(ids(touchedBy({ ...defaultSupervisor('s1'), strategy, children }, child))).toBe(expected);
});

test.each([
  ['s1', 1],
  ['domain-nlp', 2],
  ['root', 3],
] as const)('supervisor %s stands at level %s', (supervisorId, level) => {
  expect(levelOf(supervisorId)).toBe(level);
});

const supervisor = {
  strategy: fc.constantFrom(...STRATEGIES),
  intensity: fc.integer({ min: 0, max: 3 }),
  // Restarts are 10 s apart: none is at the edge of a period.
  period: fc.constantFrom(5000, 25_000, 95_000),
  autoShutdown: fc.constantFrom(...AUTO_SHUTDOWNS),
};
const ends = { restart: fc.constantFrom(...RESTART_TYPES), isSignificant: fc.boolean() };

/** root with two supervisors, each with agents, and agents of its own between them. */
const forests = fc
  .record({
    root: fc.record(supervisor),
    s: fc.record(supervisor),
    t: fc.record(supervisor),
    restarts: fc.array(fc.record(ends), { minLength: 9, maxLength: 9 }),
    sizes: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  })
  .map(({ root, s, t, restarts, sizes }): Forest => {
    const child = (id: string, n: number) => {
      const { restart, isSignificant } = restarts[n] as { restart: Child['restart']; isSignificant: boolean };
      // OTP refuses a permanent child that is significant.
      return { id, restart, significant: isSignificant && restart !== 'permanent' };
    };
    const agents = (prefix: string, from: number, size: number) =>
      Array.from({ length: size }, (_, n) => child(`${prefix}${n + 1}`, from + n));
    return {
      root: {
        ...root,
        children: [child('r1', 0), { ...child('s', 1), significant: false }, child('r2', 2), { ...child('t', 3), significant: false }],
      },
      s: { ...s, children: agents('s', 4, sizes[0]) },
      t: { ...t, children: agents('t', 6, sizes[1]) },
    };
  });

const exits = fc.array(fc.record({ pick: fc.nat(), how: fc.constantFrom('normal' as const, 'abnormal' as const) }), { maxLength: 12 });

/** Two of the same answers to whether a start succeeds. */
const answers = (list: readonly boolean[]) => {
  let at = 0;
  return () => list[at++] ?? true;
};

test('what is stopped and started after each end, and in which order, is what OTP does', () => {
  fc.assert(
    fc.property(forests, exits, fc.array(fc.boolean(), { maxLength: 8 }), (forest, steps, results) => {
      const model = otpModel(supervisorsOf(forest), answers(results));
      const starts = answers(results);
      const environment = { RECOVERY_TIMEOUT_MS: '9000', RECOVERY_BACKOFF_MS: '1', RECOVERY_BACKOFF_MAX_MS: '1' };
      const world = recoveryWorld({ forest, environment, startResult: () => (starts() ? 'ready' : 'fails') });
      for (const [n, { pick, how }] of steps.entries()) {
        world.until(START + (n + 1) * 10_000);
        const running = [...model.running].sort();
        const agent = running[pick % running.length];
        if (agent === undefined) break;
        const expected = model.exit(agent, how, world.now());
        const from = world.log.length;
        if (how === 'normal') world.end(agent);
        else world.crash(agent);
        world.until(world.now() + 9500);
        // Where OTP stops everything, people are called, and what runs goes on.
        if (model.isOver()) break;
        expect(world.log.slice(from)).toEqual(expected);
        expect([...world.running].sort()).toEqual([...model.running].sort());
      }
      expect(world.bodies('supervision.escalation.4').length > 0).toBe(model.isOver());
    }),
    { numRuns: 500 },
  );
});
