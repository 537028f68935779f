/** What a batch of reports says of each service: a single decision has to know whether the whole batch is worth a write. Pure. */
import type { Survey } from '#shared/circuit/breaker.ts';
import type { Rules } from '#shared/circuit/rules.ts';
import type { CircuitReport, circuitReport } from '#shared/messages/circuit.ts';
import type { Received } from '#shared/messages/message.ts';

/** What is slow depends on the rules of the service, which are not known yet. `timed`: calls that say how long they took. */
export type Heard = Survey & { longestMs: number; timed: number; totalMs: number };

export const surveyOf = (reports: readonly Received<typeof circuitReport>[]): Map<string, Heard> => {
  const heard = new Map<string, Heard>();
  for (const { body, sentAt } of reports) {
    const before = heard.get(body.service) ?? {
      first: sentAt,
      last: sentAt,
      calls: 0,
      troubled: false,
      longestMs: 0,
      timed: 0,
      totalMs: 0,
    };
    heard.set(body.service, {
      first: Math.min(before.first, sentAt),
      last: Math.max(before.last, sentAt),
      calls: before.calls + 1,
      troubled: before.troubled || body.outcome !== 'success',
      longestMs: Math.max(before.longestMs, body.duration_ms ?? 0),
      timed: before.timed + Number(body.duration_ms !== undefined),
      totalMs: before.totalMs + (body.duration_ms ?? 0),
    });
  }
  return heard;
};

export const byRules = ({ longestMs, timed, totalMs, ...survey }: Heard, rules: Rules): Survey => ({
  ...survey,
  troubled: survey.troubled || longestMs >= rules.slow_call_duration_threshold_ms,
  ...(timed > 0 && { durations: { longestMs, meanMs: totalMs / timed } }),
});

export const isSlow = ({ outcome, duration_ms = 0 }: CircuitReport, rules: Rules): boolean =>
  outcome === 'slow' || duration_ms >= rules.slow_call_duration_threshold_ms;
