/**
 * Tasks on the whole stack, with simulated agents: how fast they are assigned, and done; and what one costs among few agents and
 * among very many.
 */
import { slots } from '#functions/task-assignment/agents.ts';
import { tasks } from '#functions/task-assignment/decide.ts';
import { settings } from '#functions/task-assignment/settings.ts';
import { systemClock } from '#shared/clock.ts';
import type { Batch } from '#shared/contract.ts';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import { createFunction } from '#shared/function/create-function.ts';
import { type Agent, agentKind } from '#shared/registry/agent.ts';
import { bulkheadKind } from '#shared/tasks/bulkhead.ts';
import { rosterChildren, rosterValues } from '#shared/tasks/roster.ts';
import { slotsKey, slotsKind } from '#shared/tasks/slots.ts';
import { taskKind } from '#shared/tasks/task.ts';
import { markerKind } from '#shared/tasks/waiting.ts';
import { setupStack } from '#test/support/stack.ts';
import { setupTable } from '#test/support/table.ts';
import type { Result } from './bench.ts';
import { quantile } from './quantile.ts';
import { countTraffic } from './table-traffic.ts';

const AGENTS = 200;
const WARM_UP = 1000;
/** Tasks that were submitted and not assigned: more than the server takes in at once would be lost without a word. */
const BACKLOG = 5000;
const SLICE = 500;
/** A simulated agent takes so long. */
const WORK_MS = 20;

type Assignment = { task_id: string; agent_id: string; attempt: number };

/** `works`: agents accept and complete what they get; else they keep it. */
const onStack = async (of: { tasks: number; slots: number; works: boolean }): Promise<Result[]> => {
  const stack = await setupStack();
  const traffic = countTraffic();
  const { nc } = stack;
  try {
    for (let n = 0; n < AGENTS; n++) {
      const agent_id = `bench-${n}`;
      const profile = { agent_id, domain: 'bench', capabilities: ['bench'], max_concurrent_tasks: of.slots };
      nc.publish(`agent.${agent_id}.created`, JSON.stringify(profile));
      nc.publish(`agent.${agent_id}.started`, '{}');
      nc.publish(`agent.${agent_id}.ready`, '{}');
    }
    const active = new Map<string, number>();
    let over = 0;
    let assigned = 0;
    let ended = 0;
    let reached = () => {};
    const change = (agent: string, by: number) => {
      const now = (active.get(agent) ?? 0) + by;
      active.set(agent, now);
      if (now > of.slots) over++;
    };
    let submitted = 0;
    let last = 0;
    const submit = () => {
      while (submitted < last && submitted - assigned < BACKLOG) {
        const to = Math.min(last, submitted + SLICE);
        for (; submitted < to; submitted++) send(submitted);
      }
    };
    const send = (n: number) => {
      const requirements = { capabilities: ['bench'], timeout_ms: 600_000 };
      nc.publish('coordination.tasks.assignment', JSON.stringify({ task_id: `t${n}`, requirements, payload: n }));
    };
    nc.subscribe('coordination.tasks.assignment.*', {
      callback: (_, message) => {
        const { task_id, agent_id, attempt } = message.json<Assignment>();
        change(agent_id, 1);
        assigned++;
        submit();
        reached();
        const say = (status: string) =>
          nc.publish(`coordination.tasks.status.${task_id}`, JSON.stringify({ task_id, agent_id, attempt, status, result: 1 }));
        if (!of.works && assigned > WARM_UP) return;
        say('accepted');
        setTimeout(() => {
          change(agent_id, -1);
          say('completed');
        }, WORK_MS);
      },
    });
    nc.subscribe('coordination.tasks.done.*', {
      callback: () => {
        ended++;
        reached();
      },
    });
    const until = (is: () => boolean) =>
      new Promise<void>((resolve) => {
        reached = () => is() && resolve();
        reached();
      });
    await nc.flush();
    last = WARM_UP;
    submit();
    await until(() => ended === WARM_UP);
    const before = traffic.now();
    const started = performance.now();
    last = WARM_UP + of.tasks;
    submit();
    await until(() => (of.works ? ended : assigned) === WARM_UP + of.tasks);
    const seconds = (performance.now() - started) / 1000;
    return [
      { figure: of.works ? 'done_per_s' : 'assigned_per_s', value: of.tasks / seconds, unit: 'tasks/s' },
      { figure: 'over_capacity', value: over, unit: 'assignments' },
      { figure: 'writes_per_task', value: (traffic.now().written - before.written) / of.tasks, unit: 'items' },
    ];
  } finally {
    traffic.stop();
    await stack.stop();
  }
};

/** After as many to warm up: two agents take no more. */
const SAMPLES = 90;

const agentOfBench = (agent_id: string): Agent => ({
  profile: { agent_id, capabilities: ['bench'], metadata: {}, max_concurrent_tasks: 100 },
  lifecycle: 'active',
  since: 0,
  lastSeen: 0,
  responsive: true,
  status: 'ready',
  load: 0,
  activeTasks: 0,
});

/** The function and a table, without NATS: a task a batch, among so many agents that all can do it. */
const amongAgents = async (agents: number): Promise<Result[]> => {
  const table = await setupTable();
  const traffic = countTraffic();
  try {
    const fleet = Array.from({ length: agents }, (_, n) => agentOfBench(`bench-${n}`));
    const items = fleet.map((state) => [
      { key: keyOf('agent', state.profile.agent_id), version: 1, schema: agentKind.version, state, applied: {}, outbox: {}, nonce: '' },
    ]);
    const children = fleet.flatMap(({ profile }) =>
      rosterChildren(rosterValues(profile)).map((child) => ({ ...child, key: slotsKey(profile.agent_id) as EntityKey })),
    );
    const SLICE = 2000;
    for (let n = 0; n < items.length; n += SLICE) await table.store.write(items.slice(n, n + SLICE));
    for (let n = 0; n < children.length; n += SLICE) await table.store.putChildren(children.slice(n, n + SLICE));
    const silent = { warn: () => {}, error: console.error, appendKeys: () => {}, resetKeys: () => {} };
    const metrics = { addMetric: () => {}, publishStoredMetrics: () => {} };
    const kinds = [taskKind, slotsKind, markerKind, bulkheadKind];
    const handler = createFunction(
      { name: 'task-assignment', settings, entities: [tasks, slots], kinds, queries: [] },
      () => ({ store: table.store, clock: systemClock, random: Math.random, environment: {}, logger: silent, metrics }) as never,
    );
    const all: number[] = [];
    let before = traffic.now();
    for (let n = 1; n <= 2 * SAMPLES; n++) {
      if (n === SAMPLES + 1) before = traffic.now();
      const timestamp = new Date().toISOString();
      const data = JSON.stringify({ task_id: `t${n}`, requirements: { capabilities: ['bench'] } });
      const batch: Batch = {
        eventSource: 'nats:jetstream',
        binding: 'task-assignment.tasks',
        consumer: 'S@1/task-assignment_tasks.1',
        floor: { sequence: n - 1, asOf: timestamp },
        deadline: new Date(Date.now() + 10_000).toISOString(),
        Records: [
          {
            id: `S@1:${n}:${Date.parse(timestamp)}`,
            subject: 'coordination.tasks.assignment',
            data,
            encoding: 'utf8',
            headers: {},
            sequence: n,
            deliveries: 1,
            timestamp,
          },
        ],
      };
      const started = performance.now();
      const { publish } = await handler(batch, { awsRequestId: `${n}` });
      all.push(performance.now() - started);
      if (publish.length !== 1) throw new Error(`task t${n} was not assigned`);
    }
    const { read, written, calls } = traffic.now();
    return [
      { figure: 'p50_ms', value: quantile(all.slice(SAMPLES), 0.5), unit: 'ms' },
      { figure: 'read', value: (read - before.read) / SAMPLES, unit: 'items/task' },
      { figure: 'written', value: (written - before.written) / SAMPLES, unit: 'items/task' },
      { figure: 'calls', value: (calls - before.calls) / SAMPLES, unit: 'calls/task' },
    ];
  } finally {
    traffic.stop();
    await table.stop();
  }
};

export const taskCases: Record<string, () => Promise<Result[]>> = {
  assign: () => onStack({ tasks: 15_000, slots: 100, works: false }),
  cycle: () => onStack({ tasks: 5000, slots: 10, works: true }),
  'growth,agents=2': () => amongAgents(2),
  'growth,agents=200': () => amongAgents(200),
  'growth,agents=10000': () => amongAgents(10_000),
};
