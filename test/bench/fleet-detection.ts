/** Detection time against mistakes, for phi-accrual at several thresholds and for the fixed rule alone, on a simulated fleet. */
import { simulateFleet } from '#test/sim/fleet-heartbeats.ts';
import type { Result } from './bench.ts';
import { quantile } from './quantile.ts';

const HOUR_MS = 3_600_000;
/** Of watching at 30 s a heartbeat, whatever the size of the fleet, but an hour at least. */
const AGENT_HOURS = 1000;
const NEVER = '1e9';

/** By name, what the health monitor is told. The fixed rule: so many missed intervals. */
const detectors: Record<string, Record<string, string>> = {
  'phi=1': { HEALTH_PHI: '1' },
  'phi=2': { HEALTH_PHI: '2' },
  'phi=4': { HEALTH_PHI: '4' },
  'phi=8': { HEALTH_PHI: '8' },
  'phi=16': { HEALTH_PHI: '16' },
  'missed=2': { HEALTH_PHI: NEVER, HEALTH_MISSED: '2' },
  'missed=3': { HEALTH_PHI: NEVER, HEALTH_MISSED: '3' },
  'missed=4': { HEALTH_PHI: NEVER, HEALTH_MISSED: '4' },
};

/** Of the heartbeats 30% come up to 10 s late and 1% are lost. Nobody answers when asked. */
export const fleetDetection = (agents: number, intervalMs = 30_000): Result[] =>
  Object.entries(detectors).flatMap(([name, environment]) => {
    const report = simulateFleet({
      agents,
      durationMs: Math.max(1, (AGENT_HOURS * intervalMs) / 30_000 / agents) * HOUR_MS,
      intervalMs,
      jitterMs: intervalMs / 60,
      delayed: 0.3,
      delayMs: 10_000,
      lost: 0.01,
      answers: false,
      crashes: 0.2,
      environment,
      seed: 1,
    });
    return [
      { figure: `${name} detection_p50`, value: quantile(report.detections, 0.5) / 1000, unit: 's' },
      { figure: `${name} detection_max`, value: quantile(report.detections, 1) / 1000, unit: 's' },
      { figure: `${name} undetected`, value: report.undetected, unit: 'agents' },
      { figure: `${name} mistakes`, value: report.mistakesPerAgentAndDay, unit: 'per agent and day' },
      { figure: `${name} writes`, value: report.writesPerAgentAndMinute, unit: 'per agent and minute' },
    ];
  });
