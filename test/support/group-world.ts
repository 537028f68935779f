/**
 * task-coordinator on a table in memory and in virtual time: task-assignment as its contract says it (a task id is one task),
 * agents whose deeds are logged, and a bus that delays, repeats, reorders and loses what is said of tasks. A batch may be
 * answered to a bridge that dies, and comes again.
 */
import { groups } from '#functions/task-coordinator/decide.ts';
import { list, page, show } from '#functions/task-coordinator/queries.ts';
import { settings } from '#functions/task-coordinator/settings.ts';
import { type Group, groupKind } from '#functions/task-coordinator/state.ts';
import type { Answer, Batch, Headers } from '#shared/contract.ts';
import { keyOf } from '#shared/entity/key.ts';
import type { AnyKind } from '#shared/entity/kind.ts';
import { readerOf } from '#shared/entity/reader.ts';
import { createFunction } from '#shared/function/create-function.ts';
import type { TaskOutcome } from '#shared/messages/task.ts';
import { type Agent, agentKind, lookupChildren } from '#shared/registry/agent.ts';
import { taskKind } from '#shared/tasks/task.ts';
import { memoryStore } from '#test/sim/memory-store.ts';
import { START } from './decide.ts';

/** How a task goes at its agent. `ms`: how long it takes; Infinity: it never ends by itself. */
export type Deed = { outcome: TaskOutcome; ms: number; attempts?: number; result?: unknown; error?: unknown };
/** A task as task-assignment is asked for it. */
export type Asked = {
  task_id: string;
  participants?: string[];
  requirements: Record<string, unknown>;
  payload?: unknown;
};
/** When something that is said arrives, ms after it; none: never. */
export type Arrivals = readonly number[];

type Message = { subject: string; data: string; headers?: Headers | undefined };
type Body = Record<string, unknown>;

type World = {
  deed?: (task: Asked) => Deed;
  /** What asks for a task; what tells the end of one; what calls one off. */
  reaching?: () => Arrivals;
  telling?: () => Arrivals;
  cancelling?: () => Arrivals;
  /** Whether the bridge dies with the answer of a batch. */
  crashing?: () => boolean;
  environment?: Record<string, string>;
};

export const ok = (result?: unknown, ms = 10): Deed => ({ outcome: 'completed', ms, attempts: 1, result });
export const failed: Deed = { outcome: 'failed', ms: 10, attempts: 3, error: 'no' };
export const hangs: Deed = { outcome: 'completed', ms: Infinity };

export const groupWorld = (of: World = {}) => {
  const { deed = ({ payload }) => ok(payload), environment = {} } = of;
  const { reaching = () => [0], telling = () => [0], cancelling = () => [0], crashing = () => false } = of;
  let now = START;
  let records = 0;
  let invocations = 0;
  const clock = { now: () => now, after: (_: number, fn: () => void) => clearImmediate.bind(undefined, setImmediate(fn)) };
  const store = memoryStore({ clock });
  const reader = readerOf(store);
  const nothing = () => undefined;
  const logger = { warn: nothing, error: nothing, appendKeys: nothing, resetKeys: nothing };
  const runtime = { store, clock, random: () => 0, environment, logger, metrics: { addMetric: nothing, publishStoredMetrics: nothing } };
  const handler = createFunction(
    { name: 'task-coordinator', settings, entities: [groups], queries: [show, page, list] },
    () => runtime as never,
  );
  const timers = new Map<string, number>();
  const published: { subject: string; body: Body }[] = [];
  const confirmed = new Set<string>();
  const deadLetters: string[] = [];
  const tasks = new Map<string, Asked & { endsAt: number; ended?: TaskOutcome }>();
  /** Ids of the tasks that had their effect, in order. */
  const log: string[] = [];
  let later: { at: number; binding?: string; message?: Message; run?: () => Promise<void> }[] = [];

  const say = (binding: string, subject: string, body: unknown, arrivals: Arrivals): void => {
    for (const after of arrivals) later.push({ at: now + after, binding, message: { subject, data: JSON.stringify(body) } });
  };
  const then = (after: number, run: () => Promise<void>): void => {
    later.push({ at: now + after, run });
  };

  const put = async (kind: AnyKind, id: string, state: unknown) => {
    const key = keyOf(kind.kind, id);
    const version = ((await store.load([key])).get(key)?.version ?? 0) + 1;
    const lookup = kind.lookup?.(state);
    const item = { key, version, schema: kind.version, state, applied: {}, outbox: {}, nonce: '' };
    await store.write([[{ ...item, ...(lookup !== undefined && { lookup }) }]]);
  };

  const outline = { priority: 'normal', submittedAt: START, tried: ['a1'] };

  const execute = async (task: Asked): Promise<void> => {
    if (tasks.has(task.task_id)) return;
    const { ms, ...how } = deed(task);
    tasks.set(task.task_id, { ...task, endsAt: now + ms });
    const work = { need: { capabilities: [], participants: [] }, timeout: 1000, maxAttempts: 3 };
    await put(taskKind, task.task_id, { phase: 'active', ...outline, ...work, assignedAt: now });
    if (Number.isFinite(ms)) then(ms, () => end(task.task_id, { ...how, duration_ms: ms }));
  };

  const end = async (task_id: string, { outcome, attempts = 1, ...said }: Omit<Deed, 'ms'> & { duration_ms?: number }): Promise<void> => {
    const task = tasks.get(task_id);
    if (!task || task.ended) return;
    task.ended = outcome;
    if (outcome === 'completed') log.push(task_id);
    await put(taskKind, task_id, { phase: 'ended', ...outline, tried: Array(attempts).fill('a1'), outcome, endedAt: now });
    say('parts', `coordination.tasks.done.${task_id}`, { task_id, outcome, attempts, ...said }, telling());
  };

  const obey = ({ subject, data }: Message): void => {
    const body = JSON.parse(data) as Body;
    published.push({ subject, body });
    if (subject === 'coordination.tasks.assignment') for (const after of reaching()) then(after, () => execute(body as Asked));
    if (subject === 'control.tasks.cancel')
      for (const after of cancelling()) then(after, () => end(String(body.task_id), { outcome: 'cancelled', error: body.reason }));
  };

  const consumerOf = (binding: string): string => `S@1/task-coordinator_${binding}.1`;

  const batchOf = (binding: string, messages: readonly Message[]): Batch => {
    const request = binding === 'control';
    // What came before is confirmed.
    const floor = { sequence: records, asOf: new Date(now).toISOString() };
    return {
      eventSource: request ? 'nats:request' : 'nats:jetstream',
      binding: `task-coordinator.${binding}`,
      consumer: request ? 'request@1/task-coordinator.control.b' : consumerOf(binding),
      floor,
      floors: Object.fromEntries(['groups', 'parts', 'alarms'].map((name) => [consumerOf(name), floor])),
      deadline: new Date(now + 60_000).toISOString(),
      Records: messages.map(({ subject, data, headers = {} }) => {
        const sequence = ++records;
        const timestamp = new Date(now).toISOString();
        return { id: `S@1:${sequence}:${now}`, subject, data, encoding: 'utf8', headers, sequence, deliveries: 1, timestamp };
      }),
    };
  };

  const send = async (binding: string, messages: readonly Message[]): Promise<Answer> => {
    const batch = batchOf(binding, messages);
    if (binding !== 'control' && crashing()) await handler(batch, { awsRequestId: `i${++invocations}` });
    const answer = await handler(batch, { awsRequestId: `i${++invocations}` });
    for (const { reason, deadLetter } of answer.batchItemFailures) {
      if (!deadLetter) throw new Error(`${binding}: ${JSON.stringify(reason)}`);
      deadLetters.push(reason?.message ?? '');
    }
    for (const { key, at } of answer.timers) at === null ? timers.delete(key) : timers.set(key, Date.parse(at));
    // Outputs of requests are owed, and answered again, under the same ids.
    const owed = new Map<string, number>();
    for (const { cause, ...output } of answer.publish) {
      const n = owed.get(cause) ?? 0;
      owed.set(cause, n + 1);
      if (confirmed.has(`${cause}:${n}`)) continue;
      confirmed.add(`${cause}:${n}`);
      obey(output);
    }
    return answer;
  };

  const bodies = (prefix: string) => published.filter(({ subject }) => subject.startsWith(prefix)).map(({ body }) => body);

  const ring = async (): Promise<void> => {
    const ringing = [...timers].filter(([, at]) => at <= now);
    for (const [key] of ringing) timers.delete(key);
    const alarms = ringing.map(([key, at]) => {
      return { subject: `timers.due.task-coordinator.${key}`, data: JSON.stringify({ due: new Date(at).toISOString() }) };
    });
    if (alarms.length > 0) await send('alarms', alarms);
  };

  /** What is due at a time, the messages of a binding in one batch. */
  const happen = async (): Promise<void> => {
    const due = later.filter(({ at }) => at <= now);
    later = later.filter(({ at }) => at > now);
    for (const { run } of due) await run?.();
    const messages = due.filter(({ message }) => message !== undefined);
    for (const [binding, said] of Map.groupBy(messages, (one) => one.binding as string))
      await send(
        binding,
        said.map(({ message }) => message as Message),
      );
    await ring();
  };

  return {
    log,
    tasks,
    deadLetters,
    timers,
    bodies,
    /** The tasks that were asked for, in order, each once. */
    asked: () => [...new Map(bodies('coordination.tasks.assignment').map((body) => [body.task_id, body as Asked])).values()],
    /** Ends of groups, in order. */
    ends: (id = 'g') => bodies(`coordination.tasks.done.${id}`),
    cancelled: () => bodies('control.tasks.cancel').map(({ task_id }) => task_id),
    state: async (id = 'g'): Promise<Group | undefined> => (await reader.load(groupKind, [id])).get(id),
    /** How often the group was written. */
    writes: async (id = 'g') => (await store.load([keyOf(groupKind.kind, id)])).get(keyOf(groupKind.kind, id))?.version ?? 0,
    join: async (ids: readonly string[], more: Partial<Agent['profile']> = {}, over: Partial<Agent> = {}) => {
      for (const agent_id of ids) {
        const profile = { agent_id, capabilities: ['work'], metadata: {}, ...more };
        const activity = { since: START, lastSeen: START, responsive: true, load: 0, activeTasks: 0 };
        const agent: Agent = { profile, lifecycle: 'active', status: 'ready', ...activity, ...over };
        await put(agentKind, agent_id, agent);
        await store.putChildren(lookupChildren(agent).map((child) => ({ ...child, key: keyOf('agent', agent_id) })));
      }
    },
    start: (coordination_type: string, body: Body, task_id = 'g', headers: Headers = {}) =>
      send('groups', [{ subject: `coordination.tasks.${coordination_type}`, data: JSON.stringify({ task_id, ...body }), headers }]),
    /** A child of a group, as a decision leaves it that was never written. */
    leave: (name: string, data: unknown, id = 'g') => store.putChildren([{ key: keyOf(groupKind.kind, id), name, data }]),
    /** Says the end of a task, whatever became of it. */
    tell: (body: Body) => send('parts', [{ subject: `coordination.tasks.done.${body.task_id}`, data: JSON.stringify(body) }]),
    /** An alarm that nobody set, or so many in one batch. */
    ring: (id = 'g', times = 1) => {
      const data = JSON.stringify({ due: new Date(now).toISOString() });
      return send('alarms', Array(times).fill({ subject: `timers.due.task-coordinator.taskgroup.${id}`, data }));
    },
    ask: async (verb: string, body: Body = { task_id: 'g' }) => {
      const { replies: [reply] = [] } = await send('control', [{ subject: `control.group.${verb}`, data: JSON.stringify(body) }]);
      return reply?.error ?? JSON.parse(reply?.data ?? 'null');
    },
    /** Lets everything happen that happens within ms. */
    pass: async (ms: number): Promise<void> => {
      const until = now + ms;
      for (let turns = 0; ; turns++) {
        if (turns > 10_000) throw new Error(`${[...timers.keys()]} ring again and again`);
        const next = Math.min(...timers.values(), ...later.map(({ at }) => at));
        if (next > until) break;
        now = Math.max(now, next);
        await happen();
      }
      now = until;
    },
    /** Time passes and nothing is handled; what was due comes afterwards, the alarms first. */
    outage: async (ms: number): Promise<void> => {
      now += ms;
      await ring();
    },
  };
};
