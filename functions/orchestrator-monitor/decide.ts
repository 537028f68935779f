/**
 * Follows the bus of document 004: keeps what each agent says of itself, and sees to it that what is asked is answered. A
 * question, a blocker or a request that names something which somebody has said to be done is answered at once. A blocker, and
 * whatever is asked of everybody, goes to whoever can resolve it: an agent that it names, one that works at what it names, one
 * that has it as a capability. What nobody answers in time goes to the next of them, and in the end to people; a blocker also
 * to the supervisor of who is blocked.
 *
 * Everything that one agent asked is one entity; the answer that ends it is addressed to the asker. Requests that carry a reply
 * subject are NATS's own request/reply: their answer goes there, so they are not followed.
 */
import { type Alarm, type Context, type Decision, defineEntity, done, type Output } from '#shared/entity/entity.ts';
import { orchestratorAgent, orchestratorBroadcast } from '#shared/messages/orchestrator.ts';
import { ASKED, type Asked, type Colleague, colleagueKind, type Request, stranger, type Work, workChild } from './colleague.ts';
import { blocked, forwarded, known, taskFailed, unanswered } from './outputs.ts';
import type { Settings } from './settings.ts';
import { wantedIn, workedAtIn } from './topics.ts';
import { type BusEvent, readView, type View } from './view.ts';

const MOST_OPEN = 20;
/** A longer content is followed, but not kept to be asked of others. */
const LONGEST_CONTENT = 4000;
const LONGEST_TEXT = 500;

type Ctx = Context<Settings, View>;
type Change = Decision<Colleague>;

const isAsked = (type: string): type is Asked => (ASKED as readonly string[]).includes(type);
const isAnswer = (type: string): boolean => type === 'answer' || type === 'resource_response';

export const decide = (before: Colleague | undefined, event: BusEvent | Alarm, context: Ctx): Change => {
  if (event.message === 'alarm') return before ? lookAgain(before, context) : done({ wakeAt: null });
  const { message_type: type } = event.body;
  if (isAsked(type)) return ask(before ?? stranger, type, event, context);
  if (isAnswer(type)) return before ? hear(before, event) : done();
  switch (type) {
    case 'status_update':
    case 'task_complete':
      return report(before ?? stranger, event);
    case 'task_failed':
      return fail(before ?? stranger, event, context);
    default:
      // Heartbeats are the health monitor's, assignments the agents' own.
      return done();
  }
};

const textOf = (content: unknown): string =>
  (typeof content === 'string' ? content : (JSON.stringify(content) ?? '')).slice(0, LONGEST_TEXT);

const fieldOf = (content: unknown, field: string): string | undefined => {
  const value = (content as Record<string, unknown> | null | undefined)?.[field];
  return typeof value === 'string' ? value.slice(0, LONGEST_TEXT) : undefined;
};

const DONE = new Set(['completed', 'complete', 'done', 'ready', 'finished']);

const report = (before: Colleague, { body, sentAt }: BusEvent): Change => {
  const { content } = body;
  const completes = body.message_type === 'task_complete';
  const status = completes ? 'completed' : (fieldOf(content, 'status') ?? textOf(content));
  const component = fieldOf(content, 'component') ?? fieldOf(content, 'task');
  const isDone = completes || DONE.has(status.toLowerCase());
  const work: Work = { done: isDone, content: keepable(content), at: sentAt };
  const state: Colleague = {
    ...before,
    status: { status, ...(component !== undefined && { component }), at: sentAt },
    completed: before.completed + (completes ? 1 : 0),
    lastAt: sentAt,
  };
  return done({ state, children: workedAtIn(content).map((topic) => workChild(topic, work)) });
};

const fail = (before: Colleague, { body, sentAt }: BusEvent, context: Ctx): Change => {
  const content = textOf(body.content);
  const state: Colleague = { ...before, failed: before.failed + 1, lastFailure: { content, at: sentAt }, lastAt: sentAt };
  return done({ state, publish: [taskFailed(content, sentAt, context)] });
};

const keepable = (content: unknown): unknown => ((JSON.stringify(content) ?? '').length > LONGEST_CONTENT ? undefined : content);

const ask = (before: Colleague, type: Asked, event: BusEvent, context: Ctx): Change => {
  const { body, sentAt } = event;
  if (event.message === 'orchestratorAgent' && event.reply !== undefined) return done();
  const correlation = body.correlation_id ?? undefined;
  if (correlation !== undefined && before.open.some(({ id }) => id === correlation)) return done();
  const request: Request = {
    id: correlation ?? context.newId('request'),
    correlated: correlation !== undefined,
    type,
    to: body.to_agent ?? null,
    content: keepable(body.content),
    askedAt: sentAt,
    forwarded: [],
    dueAt: context.now + context.settings.answer,
  };
  const answer = answerTo(request, context);
  if (answer) return done({ publish: [answer] });
  // What was asked of one agent is left to it until its time is over; coordination asks all who hear it.
  const [next] = request.to === null && type !== 'coordination_request' ? candidates(request, context) : [];
  const open = next === undefined ? request : { ...request, forwarded: [next] };
  const publish = next === undefined ? [] : [forwarded(open, next, context)];
  return keep({ ...before, open: [...before.open, open], lastAt: sentAt }, publish, context);
};

/** What somebody has said to be done. */
const answerTo = (request: Request, context: Ctx): Output | undefined => {
  if (request.type === 'coordination_request') return undefined;
  for (const topic of wantedIn(request.content))
    for (const [agentId, work] of context.view.topics.get(topic)?.work ?? [])
      if (work.done && agentId !== context.id) return known(request, topic, agentId, work, context);
  return undefined;
};

/** Who may resolve it and was not asked yet, the best first. */
const candidates = (request: Request, { view, id }: Ctx): string[] => {
  const wanted = wantedIn(request.content);
  const topics = wanted.flatMap((topic) => view.topics.get(topic) ?? []);
  const all = [
    ...wanted.filter((name) => view.healthy.has(name)),
    ...topics.flatMap(({ work }) => [...work.keys()]),
    ...topics.flatMap(({ capable }) => capable),
  ];
  const asked = [id, request.to, ...request.forwarded];
  return [...new Set(all)].filter((one) => !asked.includes(one));
};

/** The oldest is given up on where an agent asks more than can be followed. */
const keep = (state: Colleague, publish: Output[], context: Ctx): Change => {
  const dropped = state.open.slice(0, Math.max(0, state.open.length - MOST_OPEN));
  const open = state.open.slice(dropped.length);
  const given = dropped.map((request) => unanswered(request, context));
  return done({ state: { ...state, open }, publish: [...publish, ...given], wakeAt: alarmOf(open) });
};

const alarmOf = (open: readonly Request[]): number | null => (open.length === 0 ? null : Math.min(...open.map(({ dueAt }) => dueAt)));

/** Without a correlation id it answers the oldest that was asked of its sender, or of everybody. */
const hear = (before: Colleague, { body }: BusEvent): Change => {
  const { correlation_id, from_agent } = body;
  const answered =
    typeof correlation_id === 'string'
      ? before.open.find(({ id }) => id === correlation_id)
      : before.open.find(({ to, forwarded }) => to === null || to === from_agent || forwarded.includes(from_agent));
  if (!answered) return done();
  const open = before.open.filter((one) => one !== answered);
  return done({ state: { ...before, open }, wakeAt: alarmOf(open) });
};

const lookAgain = (before: Colleague, context: Ctx): Change => {
  const { now } = context;
  const open: Request[] = [];
  const publish: Output[] = [];
  for (const request of before.open) {
    if (request.dueAt > now) open.push(request);
    else {
      const next = pursue(request, context);
      publish.push(...next.publish);
      if (next.request) open.push(next.request);
    }
  }
  if (publish.length === 0) return done({ wakeAt: alarmOf(before.open) });
  return done({ state: { ...before, open }, publish, wakeAt: alarmOf(open) });
};

/** Its time is over: the answer may be known by now, another one may be asked, or people are told. */
const pursue = (request: Request, context: Ctx): { request?: Request; publish: Output[] } => {
  const { now, settings, view, id } = context;
  const answer = answerTo(request, context);
  if (answer) return { publish: [answer] };
  const [next] = request.forwarded.length < settings.forwards && request.content !== undefined ? candidates(request, context) : [];
  if (next !== undefined) {
    const asked = { ...request, forwarded: [...request.forwarded, next], dueAt: now + settings.answer };
    return { request: asked, publish: [forwarded(asked, next, context)] };
  }
  const supervisor = view.supervisors.get(id);
  return { publish: [unanswered(request, context), ...(request.type === 'blocker' ? [blocked(request, supervisor, context)] : [])] };
};

export const colleagues = defineEntity({
  of: colleagueKind,
  accepts: [orchestratorBroadcast, orchestratorAgent],
  // An answer ends what its receiver asked.
  id: ({ body }) => (isAnswer(body.message_type) ? (body.to_agent ?? body.from_agent) : body.from_agent),
  decide,
  read: readView,
});
