/** A circuit as operators see it. Pure. */
import type { Circuit } from './circuit.ts';
import { totals } from './window.ts';

const iso = (time: number): string => new Date(time).toISOString();

const WORDS = { closed: 'closed', open: 'open', 'half-open': 'half_open' } as const;

export const toWire = (service: string, circuit: Circuit) => {
  const { calls, failures, slow } = totals(circuit.buckets);
  return {
    service,
    state: WORDS[circuit.state],
    since: iso(circuit.since),
    reason: circuit.reason,
    epoch: circuit.epoch,
    permits: circuit.permits,
    forced: circuit.forced,
    openings: circuit.openings,
    ...(circuit.until !== null && { until: iso(circuit.until) }),
    // Nothing failed lately: only the pace is known.
    ...(circuit.pace
      ? { calls_per_second: Math.round(circuit.pace.perSecond * 10) / 10 }
      : { calls, failures, slow, failures_in_a_row: circuit.failuresInARow }),
  };
};
