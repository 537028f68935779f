import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addRestart } from '#shared/supervision/restart-intensity.ts';

const limit = { intensity: 3, period: 60_000 };

test('the fourth restart within a minute is not allowed', () => {
  expect(addRestart([0, 10_000, 20_000], 60_000, limit)).toEqual({ allowed: false, restarts: [0, 10_000, 20_000] });
});

test('a restart that is more than a minute ago is forgotten', () => {
  expect(addRestart([0, 10_000, 20_000], 60_001, limit)).toEqual({ allowed: true, restarts: [10_000, 20_000, 60_001] });
});

test('no window of the period ever holds more restarts than the intensity, even on clocks that go back', () => {
  const steps = fc.array(fc.integer({ min: -50, max: 100 }), { maxLength: 60 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 0, max: 4 }), fc.integer({ min: 1, max: 200 }), (steps, intensity, period) => {
      const granted: number[] = [];
      let [now, restarts]: [number, number[]] = [0, []];
      for (const step of steps) {
        now += step;
        const next = addRestart(restarts, now, { intensity, period });
        if (next.allowed) granted.push(next.restarts.at(-1) as number);
        restarts = next.restarts;
      }
      for (const from of granted) expect(granted.filter((at) => at >= from && at <= from + period).length).toBeLessThanOrEqual(intensity);
    }),
  );
});
