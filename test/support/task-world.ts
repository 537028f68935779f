/**
 * task-assignment on a table in memory, with agents, time and alarms: batches of messages in, what was published out. What
 * it publishes to itself comes back to it. When no batch is in flight `check` looks at the table and at the whole past.
 * `fates` says what becomes of the answers: one that is lost is asked for again, by the same batch.
 */
import { expect } from 'vitest';
import { slots } from '#functions/task-assignment/agents.ts';
import { tasks } from '#functions/task-assignment/decide.ts';
import { show } from '#functions/task-assignment/queries.ts';
import { settings } from '#functions/task-assignment/settings.ts';
import { type Circuit, circuitKind, newCircuit } from '#shared/circuit/circuit.ts';
import type { Answer, Batch, Headers } from '#shared/contract.ts';
import { keyOf } from '#shared/entity/key.ts';
import type { AnyKind } from '#shared/entity/kind.ts';
import { readerOf } from '#shared/entity/reader.ts';
import { createFunction } from '#shared/function/create-function.ts';
import { type Agent, agentKind } from '#shared/registry/agent.ts';
import { capacityOf } from '#shared/routing/capacity.ts';
import { type Entry, ROUTING, routingKind } from '#shared/routing/policies.ts';
import { bulkheadKind } from '#shared/tasks/bulkhead.ts';
import { agentOfSlots, rosterChildren, rosterValues, slotsIdOf } from '#shared/tasks/roster.ts';
import { slotsKey, slotsKind } from '#shared/tasks/slots.ts';
import { agentOf, isOpen, taskKind } from '#shared/tasks/task.ts';
import { markerKey, markerKind } from '#shared/tasks/waiting.ts';
import { memoryStore, memoryTable } from '#test/sim/memory-store.ts';
import { START } from './decide.ts';

export type Sent = { subject: string; body: Record<string, unknown>; headers?: Headers };

export const anAgent = (agent_id: string, profile: Partial<Agent['profile']> = {}, over: Partial<Agent> = {}): Agent => ({
  profile: { agent_id, capabilities: ['ocr'], metadata: {}, max_concurrent_tasks: 2, ...profile },
  lifecycle: 'active',
  since: START,
  lastSeen: START,
  responsive: true,
  status: 'ready',
  load: 0,
  activeTasks: 0,
  ...over,
});

/** Of an answer, and of the timers in it. After `twice` the batch was delivered again though its answer came; that must change nothing. */
export type Fate = 'once' | 'twice' | 'answer lost' | 'timers lost';

const inOrder = ({ publish, timers, ...rest }: Answer) => ({
  ...rest,
  publish: publish.toSorted((a, b) => (a.cause < b.cause ? -1 : a.cause > b.cause ? 1 : 0)),
  timers: timers.toSorted((a, b) => (a.key < b.key ? -1 : 1)),
});

const SWEEP_MS = 60_000;
const CONSUMERS = ['tasks', 'statuses', 'unblocked', 'lifecycle', 'alarms'].map((binding) => `S@1/task-assignment_${binding}.1`);

export const taskWorld = (environment: Record<string, string> = {}, fates: () => Fate = () => 'once') => {
  let now = START;
  let records = 0;
  let invocations = 0;
  let inFlight = 0;
  const clock = { now: () => now, after: (_: number, fn: () => void) => clearImmediate.bind(undefined, setImmediate(fn)) };
  const table = memoryTable();
  const store = memoryStore({ table, clock });
  const reader = readerOf(store);
  const logger = {
    warn: () => undefined,
    error: (_: string, e: unknown) => errors.push(e),
    appendKeys: () => undefined,
    resetKeys: () => undefined,
  };
  const errors: unknown[] = [];
  const handler = createFunction(
    {
      name: 'task-assignment',
      settings,
      entities: [tasks, slots],
      kinds: [markerKind, bulkheadKind],
      queries: [show],
    },
    () =>
      ({
        store,
        clock,
        random: () => 0,
        environment,
        logger,
        metrics: { addMetric: () => undefined, publishStoredMetrics: () => undefined },
      }) as never,
  );
  const timers = new Map<string, number>();
  const timerVersions = new Map<string, number>();
  const published: Sent[] = [];
  const known = new Map<string, string>();
  /** First sequences of batches that are under way. */
  const underWay = new Set<number>();
  const deadLetters: string[] = [];
  const agents = new Map<string, Agent>();
  const submitted = new Set<string>();

  const put = async (kind: AnyKind, id: string, state: unknown) => {
    const version = ((await store.load([keyOf(kind.kind, id)])).get(keyOf(kind.kind, id))?.version ?? 0) + 1;
    const lookup = kind.lookup?.(state);
    const item = { key: keyOf(kind.kind, id), version, schema: kind.version, state, applied: {}, outbox: {}, nonce: '' };
    await store.write([[{ ...item, ...(lookup !== undefined && { lookup }) }]]);
  };

  const send = async (
    binding: string,
    messages: { subject: string; data: string; at?: number }[],
    headers: Headers = {},
  ): Promise<Answer> => {
    const request = messages.some(({ subject }) => subject.startsWith('control.'));
    const Records = messages.map(({ subject, data, at = now }) => {
      const sequence = ++records;
      const timestamp = new Date(at).toISOString();
      const id = `S@1:${sequence}:${at}`;
      return { id, subject, data, encoding: 'utf8' as const, headers, sequence, deliveries: 1, timestamp };
    });
    const first = Records[0]?.sequence ?? Infinity;
    underWay.add(first);
    const floor = { sequence: Math.min(...underWay, records + 1) - 1, asOf: new Date(now).toISOString() };
    const batch: Batch = {
      eventSource: request ? 'nats:request' : 'nats:jetstream',
      binding: `task-assignment.${binding}`,
      consumer: request ? 'request@1/task-assignment.operators.b' : `S@1/task-assignment_${binding}.1`,
      floor,
      ...(binding === 'alarms' && { floors: Object.fromEntries(CONSUMERS.map((consumer) => [consumer, floor])) }),
      deadline: new Date(now + 60_000).toISOString(),
      Records,
    };
    inFlight++;
    const answer = await answered(batch, request ? 'once' : fates());
    inFlight--;
    underWay.delete(first);
    await take(answer);
    return answer;
  };

  const answered = async (batch: Batch, fate: Fate): Promise<Answer> => {
    const invoke = (deliveries: number) =>
      handler({ ...batch, Records: batch.Records.map((record) => ({ ...record, deliveries })) }, { awsRequestId: `i${++invocations}` });
    const [isAlone, earlier] = [inFlight === 1, invocations];
    const answer = await invoke(1);
    switch (fate) {
      case 'once':
        return answer;
      case 'timers lost':
        return { ...answer, timers: [] };
      case 'answer lost':
        return invoke(2);
      case 'twice': {
        const before = new Map(table.items);
        const again = await invoke(2);
        if (isAlone && invocations === earlier + 2) expect([inOrder(again), table.items]).toEqual([inOrder(answer), before]);
        return answer;
      }
      default:
        throw fate satisfies never;
    }
  };

  /** The stream knows an output that comes again by its id: the record, and the place among its outputs. */
  const onlyNew = (publish: Answer['publish']): Answer['publish'] => {
    const places = new Map<string, number>();
    return publish.filter(({ cause, subject, data }) => {
      const place = places.get(cause) ?? 0;
      places.set(cause, place + 1);
      const id = `${cause} ${place}`;
      const before = known.get(id);
      if (before !== undefined) expect(`${subject} ${data}`).toBe(before);
      known.set(id, `${subject} ${data}`);
      return before === undefined;
    });
  };

  const take = async (answer: Answer): Promise<void> => {
    expect(answer.batchItemFailures.filter(({ deadLetter }) => !deadLetter)).toEqual([]);
    for (const { reason } of answer.batchItemFailures) deadLetters.push(reason?.message ?? '');
    for (const { key, at, version } of answer.timers) {
      // One that is older is late.
      if (version < (timerVersions.get(key) ?? 0)) continue;
      timerVersions.set(key, version);
      at === null ? timers.delete(key) : timers.set(key, Date.parse(at));
    }
    const publish = onlyNew(answer.publish);
    for (const { subject, data, headers } of publish) published.push({ subject, body: JSON.parse(data), ...(headers && { headers }) });
    if (inFlight === 0) await check();
    for (const [binding, prefix] of [
      ['statuses', 'coordination.tasks.status.'],
      ['unblocked', 'coordination.tasks.unblocked.'],
    ] as const) {
      const own = publish.filter(({ subject }) => subject.startsWith(prefix));
      if (own.length > 0) await send(binding, own);
    }
  };

  const state = async (id: string) => (await reader.load(taskKind, [id])).get(id);

  /** Never over capacity; slots, markers, bulkheads and tasks agree; attempts within their limit; one end a task. */
  const check = async (): Promise<void> => {
    const ids = [...submitted];
    const states = await reader.load(taskKind, ids);
    const held = new Map<string, string[]>();
    for (const [id, task] of states) {
      if (isOpen(task)) expect(task.tried.length).toBeLessThanOrEqual(task.maxAttempts);
      if (task.phase === 'active') held.set(agentOf(task) as string, [...(held.get(agentOf(task) as string) ?? []), id]);
    }
    for (const [slotsId, { active }] of await reader.load(slotsKind, [...agents.keys()].map(slotsIdOf))) {
      const id = agentOfSlots(slotsId);
      expect(Object.keys(active).toSorted()).toEqual((held.get(id) ?? []).toSorted());
      expect(Object.keys(active).length).toBeLessThanOrEqual(capacityOf(agents.get(id) as Agent));
    }
    const known = [...states].flatMap(([id, task]) => (task.phase === 'expected' ? [] : ([[id, task]] as const)));
    const markers = new Map(
      known.map(([id, task]) => [markerKey(id, task).slice('waiting#'.length), task.phase === 'waiting' && task.queued]),
    );
    const queued = [...(await reader.load(markerKind, [...markers.keys()]))].filter(([, { queue }]) => queue !== null);
    const waiting = [...markers].filter(([, waits]) => waits);
    expect(queued.map(([id]) => id).toSorted()).toEqual(waiting.map(([id]) => id).toSorted());
    const counted = { active: 0, waiting: 0 };
    for (const task of states.values())
      if (isOpen(task) && task.need.domain === 'nlp') counted[task.phase === 'active' ? 'active' : 'waiting']++;
    const bulkhead = (await reader.load(bulkheadKind, ['nlp'])).get('nlp');
    if (bulkhead) expect(bulkhead).toMatchObject(counted);
    const ends = published.filter(({ subject }) => subject.startsWith('coordination.tasks.done.')).map(({ subject }) => subject);
    expect(new Set(ends).size).toBe(ends.length);
  };

  /** As the reconciler does. */
  const sweep = async (): Promise<void> => {
    const keys = (await store.overdue(now, 1000)).map((key) => key.replace('#', '.'));
    const data = JSON.stringify({ due: new Date(now).toISOString() });
    if (keys.length > 0)
      await send(
        'alarms',
        keys.map((key) => ({ subject: `timers.due.task-assignment.${key}.sweep`, data })),
      );
  };

  const submit = (headers: Headers, ...messages: ({ task_id: string } & Record<string, unknown>)[]) => {
    for (const { task_id } of messages) submitted.add(task_id);
    const sent = messages.map((body) => ({ subject: 'coordination.tasks.assignment', data: JSON.stringify(body) }));
    return send('tasks', sent, headers);
  };

  const register = async (agent: Agent) => {
    agents.set(agent.profile.agent_id, agent);
    await put(agentKind, agent.profile.agent_id, agent);
  };

  const bodies = (prefix: string) => published.filter(({ subject }) => subject.startsWith(prefix)).map(({ body }) => body);

  return {
    errors,
    published,
    deadLetters,
    state,
    bodies,
    /** `[task, agent]` of every assignment, in order. */
    assigned: () => bodies('coordination.tasks.assignment.').map(({ task_id, agent_id }) => [task_id, agent_id]),
    headers: (prefix: string) => published.filter(({ subject }) => subject.startsWith(prefix)).map(({ headers }) => headers),
    /** The registry knows of it. */
    register,
    /** And it is on the roster, as one that said that it is ready. */
    join: async (...joining: Agent[]) => {
      for (const agent of joining) {
        const key = slotsKey(agent.profile.agent_id);
        await register(agent);
        await store.putChildren(rosterChildren(rosterValues(agent.profile)).map((child) => ({ ...child, key })));
      }
    },
    routing: (entry: Omit<Entry, 'by' | 'at'>) => put(routingKind, ROUTING, { policies: [{ ...entry, by: 'kim', at: START }] }),
    circuit: (id: string, over: Partial<Circuit>) => put(circuitKind, id, { ...newCircuit(START), ...over }),
    submit: (...messages: ({ task_id: string } & Record<string, unknown>)[]) => submit({}, ...messages),
    submitWith: submit,
    say: (...said: ({ task_id: string; agent_id: string; status: string } & Record<string, unknown>)[]) =>
      send(
        'statuses',
        said.map((body) => ({ subject: `coordination.tasks.status.${body.task_id}`, data: JSON.stringify(body) })),
      ),
    /** `at`: when it was published, where that is not now. */
    tell: (subject: string, body: object = {}, at = now) => send('lifecycle', [{ subject, data: JSON.stringify(body), at }]),
    ask: async (subject: string, body: object) => {
      const { replies } = await send('operators', [{ subject, data: JSON.stringify(body) }]);
      const [reply] = replies ?? [];
      return reply?.error ?? JSON.parse(reply?.data ?? 'null');
    },
    /** Lets ms pass; alarms that fall due ring in order, those of one time in one batch, `late` ms after it. */
    pass: async (ms: number, late = 0): Promise<void> => {
      const until = now + ms;
      for (let rings = 0; ; rings++) {
        if (rings > 10_000) throw new Error(`${[...timers.keys()]} ring again and again`);
        const due = Math.min(...timers.values());
        const sweepAt = (Math.floor(now / SWEEP_MS) + 1) * SWEEP_MS;
        if (sweepAt <= until && sweepAt < due + late) {
          now = sweepAt;
          await sweep();
          continue;
        }
        if (due + late > until) break;
        now = Math.max(now, due + late);
        const ringing = [...timers].filter(([, at]) => at === due);
        for (const [key] of ringing) timers.delete(key);
        const data = JSON.stringify({ due: new Date(due).toISOString() });
        await send(
          'alarms',
          ringing.map(([key]) => ({ subject: `timers.due.task-assignment.${key}`, data })),
        );
      }
      now = until;
    },
  };
};
