/**
 * Keeps one open case an agent and hands it up the ladder until somebody takes it: the agent's supervisor, those above it, the
 * domain's, root, people. Each has a deadline; what nobody acknowledges or resolves until then goes to the next, as the tree is
 * by then. Further failures of the agent join its case. An agent that becomes ready after its last failure resolves it.
 */
import { type Alarm, type Context, type Decision, type Done, defineEntity, done, type Output } from '#shared/entity/entity.ts';
import { idOf } from '#shared/entity/key.ts';
import { controlEscalationAck, controlEscalationResolve } from '#shared/messages/control.ts';
import { agentReady } from '#shared/messages/lifecycle.ts';
import type { Received } from '#shared/messages/message.ts';
import { escalation } from '#shared/messages/supervision.ts';
import { agentKind } from '#shared/registry/agent.ts';
import { readPlaces } from '#shared/supervision/tree.ts';
import { type Case, caseKind, toWire } from './case.ts';
import { goneTo, isAsked, ladderOf, rungFor, type View } from './ladder.ts';
import { handedTo, passedUp, raised } from './outputs.ts';
import type { Settings } from './settings.ts';

const REMEMBERED_FAILURES = 20;
type Escalated = Received<typeof escalation>;
type Operated = Received<typeof controlEscalationAck> | Received<typeof controlEscalationResolve>;
type Ready = Received<typeof agentReady>;
type Event = Escalated | Operated | Ready | Alarm;

type CaseContext = Context<Settings, View>;

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
  const { original_failure: failure, supervisor_id: named, escalation_level } = body;
  const supervisor = (escalation_level === 1 ? named : undefined) ?? open?.supervisor;
  const ladder = ladderOf(context.id, supervisor, context.view);
  const rung = rungFor(ladder, escalation_level, named);
  // Also what comes again after its case was resolved.
  if (failure !== undefined && before?.failures.includes(failure) && isAsked(before, rung)) return done();
  const joined: Omit<Case, 'level' | 'asked'> = {
    ...(open ?? { caseId: context.newId('case'), status: 'open', openedAt: context.now }),
    count: (open?.count ?? 0) + 1,
    failures: [...(open?.failures ?? []), ...(failure === undefined ? [] : [failure])].slice(-REMEMBERED_FAILURES),
    last: { reason: body.escalation_reason ?? 'no reason was given', at: Math.max(sentAt, open?.last.at ?? 0) },
    ...(supervisor !== undefined && { supervisor }),
  };
  if (open && (open.status === 'acknowledged' || isAsked(open, rung))) return done({ state: { ...open, ...joined } });
  return hand({ ...joined, ...goneTo(ladder, rung, open) }, [], context);
};

/** Gives a case to whom it is with by now. */
const hand = (one: Case, publish: Output[], context: CaseContext): Decision<Case> => {
  const deadline = deadlineOf(one, context);
  return done({ state: one, wakeAt: deadline, publish: [...publish, ...handedTo(one, deadline, context)] });
};

/** Its deadline has passed. */
const climb = (open: Case, context: CaseContext): Decision<Case> => {
  const { now, wakeAt, settings, view, id } = context;
  if (wakeAt === null || now < wakeAt || open.status === 'acknowledged') return done();
  const agent = view.agents.get(id);
  // It became ready before the escalation was heard of.
  if (agent?.lifecycle === 'active' && agent.responsive && agent.since > open.last.at)
    return resolve(open, { by: id, reason: 'the agent is ready again', at: now }, context);
  const ladder = ladderOf(id, open.supervisor, view);
  const next = ladder.find((rung) => !isAsked(open, rung));
  if (!next) return done({ wakeAt: null });
  const passed: Case = { ...open, ...goneTo(ladder, next, open) };
  const reason = `nobody answered at level ${open.level} within ${settings.deadlines[open.level]} ms: ${open.last.reason}`;
  return hand(passed, [passedUp(passed, reason, context)], context);
};

type Word = NonNullable<Case['resolved']>;

const spoken = ({ by, reason }: Word): string => (reason === undefined ? by : `${by}: ${reason}`);

const resolve = (open: Case, resolved: Word, context: CaseContext): Done<Case> => {
  const state: Case = { ...open, status: 'resolved', resolved };
  const publish = [raised('low', state, `the escalation of agent ${context.id} is resolved by ${spoken(resolved)}`, context, 'resolved')];
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
  read: async (events, reader): Promise<View> => {
    const ids = events.flatMap(agentToRead);
    const [agents, where] = await Promise.all([reader.load(agentKind, ids), readPlaces(reader, ids)]);
    return { agents, where };
  },
});

/** Only who is escalated or handed up is looked up. */
const agentToRead = (event: Event): string[] => {
  if (event.message === 'alarm') return [idOf(event.key)];
  return event.message === 'escalation' ? [caseIdOf(event)] : [];
};
