/**
 * Keeps one open case an agent and hands it up the ladder until somebody takes it: the agent's supervisor, its domain, root,
 * people. At each level there is a deadline; what nobody acknowledges or resolves until then goes up one level. Further
 * failures of the agent join its case. An agent that becomes ready after its last failure resolves it.
 */
import { type Alarm, type Context, type Decision, defineEntity, done, type Output } from '#shared/entity/entity.ts';
import { idOf } from '#shared/entity/key.ts';
import { controlEscalationAck, controlEscalationResolve } from '#shared/messages/control.ts';
import { agentReady } from '#shared/messages/lifecycle.ts';
import type { Received } from '#shared/messages/message.ts';
import { escalation } from '#shared/messages/supervision.ts';
import { type Agent, agentKind } from '#shared/registry/agent.ts';
import { type Case, caseKind, type Level, PEOPLE, toWire } from './case.ts';
import { handedTo, passedUp, raised } from './outputs.ts';
import type { Settings } from './settings.ts';

const REMEMBERED_FAILURES = 20;
type Escalated = Received<typeof escalation>;
type Operated = Received<typeof controlEscalationAck> | Received<typeof controlEscalationResolve>;
type Ready = Received<typeof agentReady>;
type Event = Escalated | Operated | Ready | Alarm;

/** The registry's agents by id. */
type CaseContext = Context<Settings, ReadonlyMap<string, Agent>>;

export const decide = (before: Case | undefined, event: Event, context: CaseContext): Decision<Case> => {
  const open = before?.status === 'resolved' ? undefined : before;
  switch (event.message) {
    case 'escalation':
      return escalate(before, open, event, context);
    case 'alarm':
      return open ? climb(open, context) : done({ wakeAt: null });
    case 'agentReady': {
      if (!open || event.sentAt <= open.last.at) return done();
      return resolve(open, { by: context.id, reason: 'the agent is ready again', at: context.now }, context);
    }
    case 'controlEscalationAck':
    case 'controlEscalationResolve':
      return operate(open, event, context);
    default:
      throw event satisfies never;
  }
};

const deadlineOf = (one: Case, { settings, now }: CaseContext): number | null => {
  const ms = one.status === 'open' ? settings.deadlines[one.level] : null;
  return ms === null ? null : now + ms;
};

const escalate = (before: Case | undefined, open: Case | undefined, { body, sentAt }: Escalated, context: CaseContext): Decision<Case> => {
  const { original_failure: failure } = body;
  // Also what comes again after its case was resolved.
  if (failure !== undefined && before?.failures.includes(failure) && body.escalation_level <= before.level) return done();
  const level = body.escalation_level as Level;
  const joined: Case = {
    ...(open ?? { caseId: context.newId('case'), status: 'open', level, openedAt: context.now }),
    count: (open?.count ?? 0) + 1,
    failures: [...(open?.failures ?? []), ...(failure === undefined ? [] : [failure])].slice(-REMEMBERED_FAILURES),
    last: { reason: body.escalation_reason ?? 'no reason was given', at: Math.max(sentAt, open?.last.at ?? 0) },
    ...(body.supervisor_id !== undefined && level === 1 && { supervisor: body.supervisor_id }),
  };
  if (open && (open.status === 'acknowledged' || level <= open.level)) return done({ state: joined });
  return hand({ ...joined, level }, [], context);
};

/** Gives a case to the level that it has by now. */
const hand = (one: Case, publish: Output[], context: CaseContext): Decision<Case> => {
  const deadline = deadlineOf(one, context);
  const agent = context.view.get(context.id);
  return done({ state: one, wakeAt: deadline, publish: [...publish, ...handedTo(one, agent, deadline, context)] });
};

/** Its deadline has passed. */
const climb = (open: Case, context: CaseContext): Decision<Case> => {
  const { now, wakeAt, settings, view, id } = context;
  if (wakeAt === null || now < wakeAt || open.status === 'acknowledged' || open.level === PEOPLE) return done();
  const agent = view.get(id);
  // It became ready before the escalation was heard of.
  if (agent?.lifecycle === 'active' && agent.responsive && agent.since > open.last.at)
    return resolve(open, { by: id, reason: 'the agent is ready again', at: now }, context);
  const passed: Case = { ...open, level: (open.level + 1) as Level };
  const reason = `nobody answered at level ${open.level} within ${settings.deadlines[open.level]} ms: ${open.last.reason}`;
  return hand(passed, [passedUp(passed, agent, reason, context)], context);
};

type Word = NonNullable<Case['resolved']>;

const spoken = ({ by, reason }: Word): string => (reason === undefined ? by : `${by}: ${reason}`);

const resolve = (open: Case, resolved: Word, context: CaseContext): Extract<Decision<Case>, { outcome: 'done' }> => {
  const state: Case = { ...open, status: 'resolved', resolved };
  const publish = [raised('low', state, `the escalation of agent ${context.id} is resolved by ${spoken(resolved)}`, context)];
  return { outcome: 'done', state, wakeAt: null, publish };
};

const operate = (open: Case | undefined, { message, body }: Operated, context: CaseContext): Decision<Case> => {
  const { id, now } = context;
  if (!open) return done({ reply: { error: { code: 'not_found', message: `agent ${id} has no open escalation` } } });
  const word: Word = { by: body.by, at: now, ...(body.reason !== undefined && { reason: body.reason }) };
  if (message === 'controlEscalationResolve') {
    const resolved = resolve(open, word, context);
    return { ...resolved, reply: { body: { case: toWire(id, resolved.state ?? open) } } };
  }
  if (open.status === 'acknowledged') return done({ reply: { body: { case: toWire(id, open) } } });
  const state: Case = { ...open, status: 'acknowledged', acknowledged: word };
  const publish = [raised('low', state, `the escalation of agent ${id} is acknowledged by ${spoken(word)}`, context)];
  return done({ state, wakeAt: null, publish, reply: { body: { case: toWire(id, state) } } });
};

/** Document 000 escalates a failure without naming the agent: it is a case of its own. */
const caseIdOf = ({ body }: Escalated): string => body.agent_id ?? body.original_failure ?? body.supervisor_id ?? 'unknown';

export const cases = defineEntity({
  of: caseKind,
  accepts: [escalation, agentReady, controlEscalationAck, controlEscalationResolve],
  id: (event) => (event.message === 'escalation' ? caseIdOf(event) : event.body.agent_id),
  decide,
  read: (events, reader) => reader.load(agentKind, events.flatMap(agentToRead)),
});

/** Only who is escalated or handed up is looked up. */
const agentToRead = (event: Event): string[] => {
  if (event.message === 'alarm') return [idOf(event.key)];
  return event.message === 'escalation' ? [caseIdOf(event)] : [];
};
