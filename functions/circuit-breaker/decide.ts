/**
 * Keeps the circuit of every service: closed, open or half-open, by the reports of the whole fleet, by what agents publish
 * themselves, and by what an operator says. The service of an agent's own circuit is the agent's id.
 *
 * While nothing fails and nothing is slow a service costs one write a window, which holds its pace; single successes of that
 * time are not kept. From the first failure or slow call every call is counted, and the calls of the window before it are
 * assumed to be successes at that pace. Reports are core messages: one that is lost is not counted.
 */
import { alarmOf, elapse, force, observe, toClosed, toHalfOpen, toOpen } from '#shared/circuit/breaker.ts';
import { type Circuit, type CircuitState, circuitKind, newCircuit } from '#shared/circuit/circuit.ts';
import { type CircuitSettings, type Rules, rulesOf } from '#shared/circuit/rules.ts';
import { announced, toWire } from '#shared/circuit/wire.ts';
import { type Alarm, type Context, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import { circuitClosed, circuitHalfOpen, circuitOpen, circuitReport } from '#shared/messages/circuit.ts';
import { controlCircuitForce, controlCircuitReset } from '#shared/messages/control.ts';
import { headerOf } from '#shared/messages/headers.ts';
import type { Received } from '#shared/messages/message.ts';
import { byRules, type Heard, isSlow, surveyOf } from './survey.ts';

type Report = Received<typeof circuitReport>;
type Published = Received<typeof circuitOpen> | Received<typeof circuitClosed> | Received<typeof circuitHalfOpen>;
type Operated = Received<typeof controlCircuitForce> | Received<typeof controlCircuitReset>;

/** By service: what its batch says of it. */
type CircuitContext = Context<CircuitSettings, ReadonlyMap<string, Heard>>;

export const decide = (
  before: Circuit | undefined,
  event: Report | Published | Operated | Alarm,
  context: CircuitContext,
): Decision<Circuit> => {
  const { id, now } = context;
  const rules = rulesOf(context.settings, id);
  const known = before ?? newCircuit(now);
  const circuit = elapse(known, now, rules);
  switch (event.message) {
    case 'alarm':
      return done(change(id, known, circuit, rules));
    case 'circuitReport':
      // What is reported at the moment of a change was called before it.
      return done(change(id, known, circuit === known ? hear(circuit, event, rules, context) : circuit, rules));
    case 'circuitOpen':
    case 'circuitClosed':
    case 'circuitHalfOpen': {
      const after = takeOver(circuit, event, rules);
      if (after === circuit) return done(change(id, known, circuit, rules));
      // The agent has published it.
      return done({ state: after, wakeAt: alarmOf(after, rules) });
    }
    case 'controlCircuitForce':
    case 'controlCircuitReset': {
      if (!before && event.message === 'controlCircuitReset')
        return done({ reply: { error: { code: 'not_found', message: `no circuit ${id} is known: nobody reported to it` } } });
      const after = operate(circuit, event, rules, now);
      return done({ ...change(id, known, after, rules), reply: { body: { circuit: toWire(id, after) } } });
    }
    default:
      throw event satisfies never;
  }
};

/** A new epoch is published, any other change is only kept. */
const change = (service: string, before: Circuit, after: Circuit, rules: Rules) =>
  after === before
    ? {}
    : { state: after, wakeAt: alarmOf(after, rules), publish: after.epoch === before.epoch ? [] : [announced(service, after)] };

const hear = (circuit: Circuit, { body, sentAt }: Report, rules: Rules, { id, now, view }: CircuitContext): Circuit => {
  const survey = view.get(id);
  if (!survey) throw new Error(`no survey of the batch names circuit ${id}`);
  const call = {
    at: sentAt,
    failed: body.outcome === 'failure',
    slow: isSlow(body, rules),
    epoch: body.epoch,
    durationMs: body.duration_ms,
  };
  return observe(circuit, call, byRules(survey, rules), now, rules);
};

const STATES = { open: 'open', closed: 'closed', half_open: 'half-open' } as const satisfies Record<string, CircuitState>;

/** What an agent says counts for the fleet, unless an operator has spoken, or it was said of an earlier time. */
const takeOver = (circuit: Circuit, { body, sentAt, headers }: Published, rules: Rules): Circuit => {
  const state = STATES[body.state];
  const stale = (body.epoch ?? circuit.epoch) < circuit.epoch || (circuit.epoch > 0 && sentAt < circuit.since);
  if (circuit.forced || stale || state === circuit.state) return circuit;
  const reason = body.reason ?? detailsOf(body.details) ?? `said by ${headerOf(headers, 'X-Agent-ID') ?? 'an agent'}`;
  // As of when it was said: what is said right after it is later, however late both are heard.
  const after = changed(circuit, state, reason, rules, sentAt);
  const until = state === 'open' && body.until !== undefined ? Date.parse(body.until) : after.until;
  return {
    ...after,
    until,
    epoch: Math.max(after.epoch, body.epoch ?? 0),
    permits: state === 'half-open' ? (body.permits ?? after.permits) : 0,
  };
};

const MAX_REASON = 200;

const detailsOf = (details: unknown): string | undefined =>
  details === undefined ? undefined : (typeof details === 'string' ? details : JSON.stringify(details)).slice(0, MAX_REASON);

const changed = (circuit: Circuit, state: CircuitState, reason: string, rules: Rules, now: number): Circuit => {
  switch (state) {
    case 'open':
      return toOpen(circuit, now, reason, rules);
    case 'closed':
      return toClosed(circuit, now, reason);
    case 'half-open':
      return toHalfOpen(circuit, now, reason, rules.half_open_max_calls);
    default:
      throw state satisfies never;
  }
};

const operate = (circuit: Circuit, event: Operated, rules: Rules, now: number): Circuit => {
  const { by = 'an operator', reason } = event.body;
  const why = reason === undefined ? '' : `: ${reason}`;
  if (event.message === 'controlCircuitReset') return toClosed(circuit, now, `reset by ${by}${why}`);
  return force(circuit, STATES[event.body.state], now, `forced by ${by}${why}`, rules);
};

export const circuits = defineEntity({
  of: circuitKind,
  accepts: [circuitReport, circuitOpen, circuitClosed, circuitHalfOpen, controlCircuitForce, controlCircuitReset],
  id: (event) => event.body.service,
  decide,
  read: async (events) => surveyOf(events.filter((event) => event.message === 'circuitReport')),
});
