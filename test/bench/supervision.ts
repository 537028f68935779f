/**
 * Supervision on the whole stack: how soon a failure is answered and a pattern told, and how a fleet recovers when a fifth of
 * the restarts fail. The supervisors' processes and the agents are simulated here, over NATS.
 */
import type { NatsConnection } from '@nats-io/transport-node';
import { type Stack, setupStack } from '#test/support/stack.ts';
import type { Bench, Result } from './bench.ts';
import { fleetDetection } from './fleet-detection.ts';
import { quantile } from './quantile.ts';

const WARM_UP = 100;
const SAMPLES = 1000;
const SUPERVISORS = 20;
const AGENTS_EACH = 10;
const FAILING_RESTARTS = 0.2;
/** A restart takes so long until the agent is ready. */
const RESTART_MS = { least: 20, most: 200 };

const failure = (agent_id: string, event_id: string) =>
  JSON.stringify({ agent_id, failure_type: 'process_crash', severity: 'high', event_id });

/** From each publish of `send` to what `arrived` takes for its consequence, ms, one at a time. */
const latencies = async (
  count: number,
  send: (n: number) => void,
  arrived: Map<string, (at: number) => void>,
  idOf: (n: number) => string,
) => {
  const all: number[] = [];
  for (let n = 0; n < count; n++) {
    const arrival = new Promise<number>((resolve) => arrived.set(idOf(n), resolve));
    const started = performance.now();
    send(n);
    all.push((await arrival) - started);
  }
  return all.slice(WARM_UP);
};

const figures = (all: number[]): Result[] => [
  { figure: 'p50_ms', value: quantile(all, 0.5), unit: 'ms' },
  { figure: 'p99_ms', value: quantile(all, 0.99), unit: 'ms' },
];

const toFirstCommand = async ({ nc }: Stack): Promise<Result[]> => {
  const arrived = new Map<string, (at: number) => void>();
  nc.subscribe('supervisor.*.cmd.restart', {
    callback: (_, message) => arrived.get(message.json<{ agent_ids: string[] }>().agent_ids[0] ?? '')?.(performance.now()),
  });
  await nc.flush();
  const idOf = (n: number) => `bench-${n}`;
  const send = (n: number) => nc.publish('supervision.failures.high', failure(idOf(n), idOf(n)));
  return figures(await latencies(WARM_UP + SAMPLES, send, arrived, idOf));
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
  const idOf = (n: number) => `spiky-${n}`;
  const fail = (n: number, k: number) =>
    nc.publish(
      'supervision.failures.low',
      JSON.stringify({ agent_id: idOf(n), failure_type: 'timeout_failure', severity: 'low', event_id: `${idOf(n)}-${k}` }),
    );
  const send = (n: number) => {
    for (let k = 0; k <= FIRST_FAILURES; k++) fail(n, k);
  };
  return figures(await latencies(WARM_UP + SAMPLES / 5, send, arrived, idOf));
};

type Fleet = { agents: string[]; commanded: Map<string, number>; stop(): void };

/** Supervisors that are declared, and that obey: a restart works or it does not. */
const startFleet = async (nc: NatsConnection, stack: Stack): Promise<Fleet> => {
  const agents: string[] = [];
  const commanded = new Map<string, number>();
  for (let s = 0; s < SUPERVISORS; s++) {
    const children = Array.from({ length: AGENTS_EACH }, (_, n) => `s${s}-a${n}`);
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
        const after = RESTART_MS.least + Math.random() * (RESTART_MS.most - RESTART_MS.least);
        const fails = Math.random() < FAILING_RESTARTS;
        setTimeout(() => {
          if (!fails) return nc.publish(`agent.${agent}.ready`, '{}');
          const body = { event_type: 'restart_failed', affected_agents: [agent], attempt, recovery_id };
          nc.publish(`supervisor.${supervisor}.events`, JSON.stringify(body));
        }, after);
      }
    },
  });
  await nc.flush();
  return { agents, commanded, stop: () => subscription.unsubscribe() };
};

const shown = async (nc: NatsConnection, supervisor_id: string): Promise<number> => {
  const answer = await nc.request('control.supervisor.show', JSON.stringify({ supervisor_id }), { timeout: 10_000 });
  return answer.json<{ supervisor?: { children?: unknown[] } }>().supervisor?.children?.length ?? 0;
};

const until = async (condition: () => boolean | Promise<boolean>, ms: number): Promise<void> => {
  for (const end = performance.now() + ms; performance.now() < end && !(await condition()); ) await new Promise((go) => setTimeout(go, 20));
};

/** Half of the agents crash within a second; the others must not be touched. */
const recovery = async (stack: Stack): Promise<Result[]> => {
  const { nc } = stack;
  const fleet = await startFleet(nc, stack);
  await until(async () => (await shown(nc, `s${SUPERVISORS - 1}`)) === AGENTS_EACH, 30_000);
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
    await new Promise((go) => setTimeout(go, 1000 / failed.length));
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
