/** What the health monitor promises of a fleet, in the simulator that the bench measures with. */
import { describe, expect, test } from 'vitest';
import { type Fleet, simulateFleet } from '#test/sim/fleet-heartbeats.ts';

const HOUR = 3_600_000;
/** Every 30 s, as document 003 has it. */
const fleet: Fleet = {
  agents: 200,
  durationMs: 2 * HOUR,
  intervalMs: 30_000,
  jitterMs: 500,
  delayed: 0,
  delayMs: 10_000,
  lost: 0,
  answers: false,
  crashes: 0.2,
  seed: 7,
};

/** Two alarms that come as late as they may. */
const ALARMS_MS = 500;

describe('a fleet of 200 agents', () => {
  const calm = simulateFleet(fleet);
  const delayed = simulateFleet({ ...fleet, delayed: 0.3 });
  const fast = simulateFleet({ ...fleet, agents: 20, durationMs: HOUR, intervalMs: 1000, jitterMs: 100 });

  test('has under 1% of its agents declared dead by mistake while 30% of its heartbeats come up to 10 s late', () => {
    expect(delayed.mistakenAgents / fleet.agents).toBeLessThan(0.01);
  });

  test('has nobody declared dead by mistake where one heartbeat in a hundred is lost and agents answer', () => {
    expect(simulateFleet({ ...fleet, delayed: 0.3, lost: 0.01, answers: true }).mistakes).toBe(0);
  });

  test.each([
    ['calm', calm],
    ['delayed', delayed],
    ['beating every second', fast],
  ])('that is %s costs at most one write an agent a minute, in all functions', (_, { writesPerAgentAndMinute }) => {
    expect(writesPerAgentAndMinute).toBeLessThanOrEqual(1);
    expect(writesPerAgentAndMinute).toBeGreaterThan(0.5);
  });

  test.each([
    ['calm', calm],
    ['delayed', delayed],
  ])('that is %s has each crash found, within the fixed rule', (_, { silences, undetected }) => {
    expect(undetected).toBe(0);
    expect(silences.at(-1)).toBeLessThanOrEqual(90_000 + ALARMS_MS);
  });

  test('that is calm has its crashes found sooner than by the fixed rule, and sooner yet where it beats fast', () => {
    const fixed = simulateFleet({ ...fleet, environment: { HEALTH_PHI: '1e9' } });
    const slowest = [fixed, calm, fast].map(({ detections }) => detections.at(-1) ?? 0);
    expect(slowest.toSorted((a, b) => b - a)).toEqual(slowest);
    expect(slowest[2]).toBeLessThan(15_000);
  });
});
