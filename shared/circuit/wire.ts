/** A circuit as others see it: operators, who list it, and callers, who are told its state. Pure. */
import type { Output } from '#shared/entity/entity.ts';
import { iso } from '#shared/iso.ts';
import { circuitClosed, circuitHalfOpen, circuitOpen } from '#shared/messages/circuit.ts';
import { output } from '#shared/messages/message.ts';
import type { Circuit } from './circuit.ts';
import { totals } from './window.ts';

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
    ...(circuit.response && { response_ms: Math.round(circuit.response.ms) }),
    // Nothing failed lately: only the pace is known.
    ...(circuit.pace
      ? { calls_per_second: Math.round(circuit.pace.perSecond * 10) / 10 }
      : { calls, failures, slow, failures_in_a_row: circuit.failuresInARow }),
  };
};

/** The message that tells a circuit's state. */
export const announced = (service: string, circuit: Circuit): Output => {
  const { reason, epoch, permits, until } = circuit;
  const body = { service, reason, epoch, permits, ...(until !== null && { until: new Date(until).toISOString() }) };
  switch (circuit.state) {
    case 'closed':
      return output(circuitClosed, { service }, { ...body, state: 'closed' });
    case 'open':
      return output(circuitOpen, { service }, { ...body, state: 'open' });
    case 'half-open':
      return output(circuitHalfOpen, { service }, { ...body, state: 'half_open' });
    default:
      throw circuit.state satisfies never;
  }
};
