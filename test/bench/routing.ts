/** What a decision of routing costs at ten thousand agents, and how well each balancer spreads work. */
import type { Policy } from '#shared/messages/routing-policy.ts';
import type { Candidate } from '#shared/routing/candidate.ts';
import { type Question, route } from '#shared/routing/route.ts';
import { randomOf } from '#test/support/noise.ts';
import { balance, byPolicy, type Chooser, oracle } from './balance.ts';
import type { Result } from './bench.ts';
import { quantile } from './quantile.ts';

const AGENTS = 10_000;
const WARM_UP = 500;
const DECISIONS = 2000;
const SEEDS = [1, 2, 3];

const ALL_FACTORS = { cpu_usage: 1, memory_usage: 1, active_tasks: 1, response_time: 1, error_rate: 1 };

const balancers: Record<string, Policy> = {
  round_robin: { type: 'round_robin' },
  weighted_round_robin: { type: 'load_based', balancer: 'weighted_round_robin' },
  least_connections: { type: 'load_based', balancer: 'least_connections' },
  response_time: { type: 'load_based', balancer: 'response_time' },
  resource_utilization: { type: 'load_based', balancer: 'resource_utilization' },
  hybrid: { type: 'load_based', balancer: { hybrid: ALL_FACTORS } },
  power_of_two_choices: { type: 'load_based', balancer: 'power_of_two_choices' },
};

const policies: Record<string, Policy> = {
  ...balancers,
  'load_based 20%': { type: 'load_based', weight_factor: 0.2 },
  capability_based: { type: 'capability_based', required_capabilities: ['c1'], preference_order: ['agent-5000', 'agent-7'] },
  topology_aware: { type: 'topology_aware', preferred_zones: ['z1', 'z2'] },
  priority_based: { type: 'priority_based', high_priority_targets: ['agent-1', 'agent-2'] },
};

const fleetOf = (size: number): Candidate[] => {
  const random = randomOf(1);
  const told = (value: number) => (random() < 0.8 ? value : undefined);
  return Array.from({ length: size }, (_, n) => {
    const capacity = random.between(1, 20);
    const active = random.between(0, capacity);
    return {
      id: `agent-${n}`,
      zone: `z${n % 4}`,
      capabilities: [`c${n % 2}`, 'c2'],
      capacity,
      active,
      room: capacity - active,
      load: random(),
      cpu: told(random()),
      memory: told(random()),
      errorRate: told(random() / 10),
      responseMs: told(random() * 1000),
      last: n,
      turn: random(),
      healthy: random() < 0.95,
      circuit: random() < 0.02 ? 'open' : undefined,
    };
  });
};

const question = (candidates: readonly Candidate[], policy: Policy, seed: number): Question => {
  return { candidates, policy, need: { capabilities: ['c2'], participants: [] }, priority: 'high', seed };
};

const interruptions = (): number => process.resourceUsage().involuntaryContextSwitches;

/** µs of each decision, but those during which the processor was given to somebody else. */
const timed = (candidates: readonly Candidate[], policy: Policy): number[] => {
  const taken: number[] = [];
  for (let seed = 0; seed < WARM_UP || taken.length < DECISIONS; seed++) {
    const before = interruptions();
    const begin = performance.now();
    route(question(candidates, policy, seed));
    const took = (performance.now() - begin) * 1000;
    if (seed >= WARM_UP && interruptions() === before) taken.push(took);
  }
  return taken;
};

const heapMb = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 2 ** 20;
};

/** The candidates, and what one decision leaves before it is collected. */
const memoryOf = (): Result[] => {
  const before = heapMb();
  const candidates = fleetOf(AGENTS);
  const policy: Policy = { type: 'load_based', weight_factor: 0.2, balancer: { hybrid: ALL_FACTORS } };
  for (let n = 0; n < WARM_UP; n++) route(question(candidates, policy, n));
  const held = heapMb();
  route(question(candidates, policy, 1));
  const after = process.memoryUsage().heapUsed / 2 ** 20;
  return [
    { figure: 'memory of candidates', value: held - before, unit: 'MB' },
    { figure: 'memory of a decision', value: after - held, unit: 'MB' },
  ];
};

const decisions = async (): Promise<Result[]> => {
  const memory = memoryOf();
  const candidates = fleetOf(AGENTS);
  const costs = Object.entries(policies).flatMap(([name, policy]) => {
    const taken = timed(candidates, policy);
    return [0.5, 0.99].map((q) => ({ figure: `${name} p${q * 100}`, value: quantile(taken, q), unit: 'us' }));
  });
  return [...costs, ...memory];
};

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const figuresOf = (choose: Chooser) => {
  const runs = SEEDS.map((seed) => balance(choose, seed));
  return {
    mean: meanOf(runs.map(({ latencies }) => meanOf(latencies))),
    p99: meanOf(runs.map(({ latencies }) => quantile(latencies, 0.99))),
    skew: meanOf(runs.map(({ used }) => Math.max(...used) / meanOf(used))),
  };
};

const imbalance = async (): Promise<Result[]> => {
  const best = figuresOf(oracle);
  return Object.entries(balancers).flatMap(([name, policy]) => {
    const { mean, p99, skew } = figuresOf(byPolicy(policy));
    return [
      { figure: `${name} mean latency`, value: mean / best.mean, unit: 'x best' },
      { figure: `${name} p99 latency`, value: p99 / best.p99, unit: 'x best' },
      { figure: `${name} max use`, value: skew, unit: 'x mean use' },
    ];
  });
};

export const routingCases: Record<string, () => Promise<Result[]>> = { [`routing agents=${AGENTS}`]: decisions, balance: imbalance };
