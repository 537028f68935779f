/**
 * Supervision on the whole stack: how soon a failure is answered and a pattern told, and how a fleet recovers when a fifth of
 * the restarts fail. The supervisors' processes and the agents are simulated here, over NATS.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { type Stack, setupStack } from '#test/support/stack.ts';
import type { Bench, Result } from './bench.ts';
import { fleetDetection } from './fleet-detection.ts';
import { quantile } from './quantile.ts';

const WARM_UP = 100;
const SAMPLES = 500;
/** From a sample's end until the next: what else it caused is over by then. */
const IDLE_MS = 60;
const SUPERVISORS = 20;
const AGENTS_EACH = 10;
const FAILING_RESTARTS = 0.2;
/** A restart takes so long until the agent is ready. */
const RESTART_MS = { least: 20, most: 200 };

const failure = (agent_id: string, event_id: string) =>
  JSON.stringify({ agent_id, failure_type: 'process_crash', severity: 'high', event_id });

/** From each publish of `send` to what `arrived` takes for its consequence, ms, one at a time, on a stack that is idle. */
const latencies = async (ids: readonly string[], send: (id: string) => void, arrived: Map<string, (at: number) => void>) => {
  const all: number[] = [];
  for (const id of ids) {
    const arrival = new Promise<number>((resolve) => arrived.set(id, resolve));
    const started = performance.now();
    send(id);
    all.push((await arrival) - started);
    await pause(IDLE_MS);
  }
  return all.slice(WARM_UP);
};

const figures = (all: number[]): Result[] => [
  { figure: 'p50_ms', value: quantile(all, 0.5), unit: 'ms' },
  { figure: 'p99_ms', value: quantile(all, 0.99), unit: 'ms' },
];

/** Every agent is the child of a supervisor, fails once, and is ready again at once. */
const toFirstCommand = async (stack: Stack): Promise<Result[]> => {
  const { nc } = stack;
  const { agents } = await startFleet(stack, { each: (WARM_UP + SAMPLES) / SUPERVISORS, failing: 0, takes: () => 0 });
  const arrived = new Map<string, (at: number) => void>();
  nc.subscribe('supervisor.*.cmd.restart', {
    callback: (_, message) => arrived.get(message.json<{ agent_ids: string[] }>().agent_ids[0] ?? '')?.(performance.now()),
  });
  await nc.flush();
  return figures(await latencies(agents, (id) => nc.publish('supervision.failures.high', failure(id, id)), arrived));
};

/** A spike is more than five failures: the sixth decides. */
const FIRST_FAILURES = 5;

const toPattern = async ({ nc }: Stack): Promise<Result[]> => {
  const arrived = new Map<string, (at: number) => void>();
  nc.subscribe('supervision.events', {
    callback: (_, message) => {
      const { affected_agents, pattern_type } = message.json<{ affected_agents: string[]; pattern_type: string }>();
      if (pattern_type === 'failure_spike') for (const agent of affected_agents) arrived.get(agent)?.(performance.now());
    },
  });
  await nc.flush();
  const ids = Array.from({ length: WARM_UP + SAMPLES }, (_, n) => `spiky-${n}`);
  const fail = (agent_id: string, k: number) =>
    nc.publish(
      'supervision.failures.low',
      JSON.stringify({ agent_id, failure_type: 'timeout_failure', severity: 'low', event_id: `${agent_id}-${k}` }),
    );
  const send = (id: string) => {
    for (let k = 0; k <= FIRST_FAILURES; k++) fail(id, k);
  };
  return figures(await latencies(ids, send, arrived));
};

type Fleet = { agents: string[]; commanded: Map<string, number>; stop(): void };

/** `failing`: a share of the restarts; `takes`: ms of one. */
type Restarts = { each: number; failing: number; takes: () => number };

/** Supervisors that are declared, and that obey: a restart works or it does not. */
const startFleet = async (stack: Stack, { each, failing, takes }: Restarts): Promise<Fleet> => {
  const { nc } = stack;
  const agents: string[] = [];
  const commanded = new Map<string, number>();
  for (let s = 0; s < SUPERVISORS; s++) {
    const children = Array.from({ length: each }, (_, n) => `s${s}-a${n}`);
    agents.push(...children);
    const body = { event_type: 'started', strategy: 'one_for_one', intensity: 100, period_ms: 60_000, children };
    await stack.publish(`supervisor.s${s}.events`, body);
    for (const agent_id of children)
      for (const verb of ['created', 'started', 'ready']) nc.publish(`agent.${agent_id}.${verb}`, JSON.stringify({ supervisor: `s${s}` }));
  }
  const subscription = nc.subscribe('supervisor.*.cmd.restart', {
    callback: (_, message) => {
      const [, supervisor] = message.subject.split('.');
      const { agent_ids, attempt, recovery_id } = message.json<{ agent_ids: string[]; attempt: number; recovery_id: string }>();
      for (const agent of agent_ids) {
        commanded.set(agent, (commanded.get(agent) ?? 0) + 1);
        const fails = Math.random() < failing;
        setTimeout(() => {
          if (!fails) return nc.publish(`agent.${agent}.ready`, '{}');
          const body = { event_type: 'restart_failed', affected_agents: [agent], attempt, recovery_id };
          nc.publish(`supervisor.${supervisor}.events`, JSON.stringify(body));
        }, takes());
      }
    },
  });
  await nc.flush();
  await until(async () => (await shown(nc, `s${SUPERVISORS - 1}`)) === each, 30_000);
  return { agents, commanded, stop: () => subscription.unsubscribe() };
};

const shown = async (nc: NatsConnection, supervisor_id: string): Promise<number> => {
  const answer = await nc.request('control.supervisor.show', JSON.stringify({ supervisor_id }), { timeout: 10_000 });
  return answer.json<{ supervisor?: { children?: unknown[] } }>().supervisor?.children?.length ?? 0;
};

const until = async (condition: () => boolean | Promise<boolean>, ms: number): Promise<void> => {
  for (const end = performance.now() + ms; performance.now() < end && !(await condition()); ) await pause(20);
};

/** Half of the agents crash within a second; the others must not be touched. */
const recovery = async (stack: Stack): Promise<Result[]> => {
  const { nc } = stack;
  const takes = () => RESTART_MS.least + Math.random() * (RESTART_MS.most - RESTART_MS.least);
  const fleet = await startFleet(stack, { each: AGENTS_EACH, failing: FAILING_RESTARTS, takes });
  const failed = fleet.agents.filter((_, n) => n % 2 === 0);
  const failedAt = new Map<string, number>();
  const took = new Map<string, number>();
  let gaveUp = 0;
  nc.subscribe('supervisor.*.events', {
    callback: (_, message) => {
      const { event_type, affected_agents = [] } = message.json<{ event_type: string; affected_agents?: string[] }>();
      if (event_type === 'gave_up') gaveUp++;
      if (event_type !== 'recovered') return;
      for (const agent of affected_agents) if (!took.has(agent)) took.set(agent, performance.now() - (failedAt.get(agent) ?? 0));
    },
  });
  await nc.flush();
  for (const agent of failed) {
    failedAt.set(agent, performance.now());
    nc.publish('supervision.failures.high', failure(agent, `${agent}-crash`));
    await pause(1000 / failed.length);
  }
  await until(() => took.size + gaveUp >= failed.length, 45_000);
  fleet.stop();
  const disturbed = [...fleet.commanded.keys()].filter((agent) => !failedAt.has(agent)).length;
  const times = [...took.values()];
  return [
    { figure: 'recovered', value: took.size / failed.length, unit: 'share' },
    { figure: 'gave_up', value: gaveUp, unit: 'recoveries' },
    { figure: 'p50_ms', value: quantile(times, 0.5), unit: 'ms' },
    { figure: 'p99_ms', value: quantile(times, 0.99), unit: 'ms' },
    { figure: 'isolated', value: 1 - disturbed / failed.length, unit: 'share' },
    {
      figure: 'commands_per_failure',
      value: [...fleet.commanded.values()].reduce((sum, n) => sum + n, 0) / failed.length,
      unit: 'commands',
    },
  ];
};

const cases: Record<string, (stack: Stack) => Promise<Result[]>> = { command: toFirstCommand, pattern: toPattern, recovery };

/** Agents, and ms from a heartbeat to the next. */
const fleets: Record<string, [agents: number, intervalMs: number]> = {
  'fleet=10': [10, 30_000],
  'fleet=200': [200, 30_000],
  'fleet=2000': [2000, 30_000],
  'fleet=50,beat=1s': [50, 1000],
};

export const supervision: Bench = {
  cases: [...Object.keys(cases), ...Object.keys(fleets)],
  run: async (name) => {
    const fleet = fleets[name];
    if (fleet) return fleetDetection(...fleet);
    // Episodes end soon, or a thousand of them would be open at once.
    const stack = await setupStack({ PATTERN_QUIET_MS: '200' });
    try {
      return (await cases[name]?.(stack)) ?? [];
    } finally {
      await stack.stop();
    }
  },
};
