/**
 * A skewed fleet under load, simulated from a seed: 40 agents take 1 to 20 tasks at once, and are as fast as they say while at most
 * half of that runs; then their tasks share. One takes ten times as long as it looks. Tasks arrive at random, at 70% of what the
 * fleet can do, and are of very different sizes; where nobody has room they wait, first come, first served.
 */
import { expectedMs, follow, type Response } from '#shared/circuit/response.ts';
import type { Policy } from '#shared/messages/routing-policy.ts';
import type { Candidate } from '#shared/routing/candidate.ts';
import { route } from '#shared/routing/route.ts';
import { randomOf } from '#test/support/noise.ts';

const AGENTS = 40;
const TASKS = 40_000;
const WARM_UP = 4000;
const LOAD = 0.7;
const MEAN_MS = 1000;
const SLOW = 10;
/** How often agents tell their cpu and load. */
const TOLD_EVERY_MS = 5000;

type Task = { at: number; size: number };
/** `served`: what one task that had always run would have got so far, ms. A task ends at its own mark. */
type Agent = Candidate & {
  cores: number;
  slowness: number;
  served: number;
  since: number;
  running: { task: Task; startedAt: number; mark: number }[];
  /** Running tasks, integrated over time. */
  busy: number;
  response: Response | undefined;
};

type Random = ReturnType<typeof randomOf>;
/** Undefined: nobody has room. */
export type Chooser = (agents: readonly Agent[], task: Task, seed: number) => { id: string; turn?: number } | undefined;

const rateOf = ({ cores, slowness }: Agent, active: number): number => Math.min(1, cores / active) / slowness;

export const byPolicy =
  (policy: Policy): Chooser =>
  (candidates, _, seed) =>
    route({ candidates, policy, need: { capabilities: [], participants: [] }, priority: 'normal', seed }).targets[0];

/** The best that can be done one task at a time, by who knows all: where it will be finished first. */
export const oracle: Chooser = (agents, { size }) => {
  const ends = (agent: Agent) => size / rateOf(agent, agent.active + 1);
  const [first] = agents.filter(({ room }) => room > 0).toSorted((a, b) => ends(a) - ends(b));
  return first && { id: first.id };
};

const fleetOf = (random: Random): Agent[] =>
  Array.from({ length: AGENTS }, (_, n) => {
    const size = n === 0 ? 20 : random.between(1, 20);
    return {
      id: `a${n}`,
      capabilities: [],
      capacity: size,
      active: 0,
      room: size,
      load: 0,
      cpu: 0,
      responseMs: undefined,
      last: 0,
      turn: undefined,
      healthy: true,
      circuit: undefined,
      cores: size / 2,
      slowness: n === 0 ? SLOW : 1,
      served: 0,
      since: 0,
      running: [],
      busy: 0,
      response: undefined,
    };
  });

const advance = (agent: Agent, now: number): void => {
  if (agent.active > 0) agent.served += (now - agent.since) * rateOf(agent, agent.active);
  agent.busy += (now - agent.since) * agent.active;
  agent.since = now;
};

const endOf = (agent: Agent): number => {
  if (agent.active === 0) return Infinity;
  const mark = agent.running.reduce((least, one) => Math.min(least, one.mark), Infinity);
  return agent.since + (mark - agent.served) / rateOf(agent, agent.active);
};

const resize = (agent: Agent): void => {
  agent.active = agent.running.length;
  agent.room = agent.capacity - agent.active;
};

const start = (agent: Agent, task: Task, now: number): void => {
  advance(agent, now);
  agent.running.push({ task, startedAt: now, mark: agent.served + task.size });
  resize(agent);
};

/** Answers when the task that ended had arrived. */
const finish = (agent: Agent, now: number): number => {
  advance(agent, now);
  const ended = agent.running.reduce((first, one) => (one.mark < first.mark ? one : first));
  agent.running.splice(agent.running.indexOf(ended), 1);
  resize(agent);
  const took = now - ended.startedAt;
  agent.response = follow(agent.response, { longestMs: took, meanMs: took }, now);
  return ended.task.at;
};

const tell = (agents: readonly Agent[]): void => {
  for (const agent of agents) {
    agent.cpu = Math.min(1, agent.active / agent.cores);
    agent.load = agent.active / agent.capacity;
  }
};

/** Lognormal, with a mean of 1 and a deviation of 1.3. */
const skewed = (random: Random): number => Math.exp(random.normal() - 0.5);

/** ms from arrival to end of each task, and the share of its capacity that each agent had in use. */
export const balance = (choose: Chooser, seed: number): { latencies: number[]; used: number[] } => {
  const random = randomOf(seed);
  const agents = fleetOf(random);
  const byId = new Map(agents.map((agent) => [agent.id, agent]));
  const perMs = (LOAD * agents.reduce((sum, { cores, slowness }) => sum + cores / slowness, 0)) / MEAN_MS;
  const waiting: Task[] = [];
  const latencies: number[] = [];
  let given = 0;
  let nextArrival = 0;
  let nextTold = 0;
  const give = (now: number): void => {
    for (let task = waiting[0]; task; task = waiting[0]) {
      for (const agent of agents) agent.responseMs = expectedMs(agent.response, now);
      const target = choose(agents, task, given);
      if (!target) return;
      const agent = byId.get(target.id) as Agent;
      agent.turn = target.turn;
      agent.last = ++given;
      waiting.shift();
      start(agent, task, now);
    }
  };
  while (latencies.length < TASKS) {
    const ends = agents.map(endOf);
    const end = Math.min(...ends);
    const now = Math.min(end, nextArrival, nextTold);
    if (now === end) latencies.push(now - finish(agents[ends.indexOf(end)] as Agent, now));
    else if (now === nextArrival) {
      waiting.push({ at: now, size: MEAN_MS * skewed(random) });
      nextArrival -= Math.log(1 - random()) / perMs;
    } else {
      tell(agents);
      nextTold += TOLD_EVERY_MS;
    }
    give(now);
  }
  return { latencies: latencies.slice(WARM_UP), used: agents.map(({ busy, capacity, since }) => busy / since / capacity) };
};
