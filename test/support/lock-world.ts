/**
 * Agents that share resources through resource-manager, in virtual time, from a seed: messages are lost, late, doubled and
 * overtaken, agents crash and come back, clocks differ. What happened is judged as it happens by `lock-judge.ts`.
 */
import { resources as spec } from '#functions/resource-manager/decide.ts';
import { holdings } from '#functions/resource-manager/holdings.ts';
import type { Resource } from '#functions/resource-manager/resource.ts';
import { settings } from '#functions/resource-manager/settings.ts';
import type { AnySpec, Output } from '#shared/entity/entity.ts';
import { type EntityKey, idOf, kindOf } from '#shared/entity/key.ts';
import type { ResourceGranted } from '#shared/messages/resource.ts';
import { eventQueue } from '#test/sim/event-queue.ts';
import { seeded } from '#test/sim/random.ts';
import { START } from './decide.ts';
import { entityHost } from './entity-host.ts';
import { lockJudge } from './lock-judge.ts';

export type Faults = {
  /** 0 to 1, of each message. */
  loss: number;
  doubled: number;
  /** ms at most. */
  delay: number;
  /** 0 to 1, of each round of an agent. */
  crashes: number;
  /** Clocks of agents and of the manager jump, and agents that live are said to be gone. */
  lies: boolean;
};

export type LockPlan = { agents: number; capacity: Record<string, number>; rounds: number; faults: Faults };

/** What clocks may differ from the time, ms: of an agent and of the manager; together no more than the grace. */
export const SKEW_MS = 240;
const TTL_MS = 1000;
const RESEND_MS = 400;
/** A history that is not over by then never ends. */
const LIMIT_MS = 90_000;

type Lease = { token: number; until: number };
type Agent = {
  id: string;
  incarnation: number;
  isUp: boolean;
  skew: number;
  /** What it wants to hold, in the order in which it asks. */
  wants: string[];
  /** The id of its requests. */
  request: string;
  leases: Map<string, Lease>;
  /** Tokens up to here are over. */
  past: Map<string, number>;
  rounds: number;
  /** Until when it works with all that it wants; undefined: it does not yet. */
  worksUntil: number | undefined;
};

export const runLocks = (seed: number, plan: LockPlan, decides: AnySpec = spec as AnySpec) => {
  const random = seeded(seed);
  const { faults } = plan;
  const names = Object.keys(plan.capacity);
  const parsed = settings.parse({});
  let snapshot = new Map<string, Resource>();
  const graph = () =>
    new Map(
      [...host.entities].flatMap(([key, { state }]) => (kindOf(key) === 'resource' && state ? [[idOf(key), state as Resource]] : [])),
    );
  // What a batch read may be old by the time it decides.
  const view = ({ message }: { message: string }) => {
    if (message === 'alarm' || random() < 0.8) snapshot = graph();
    return { graph: snapshot };
  };
  const host = entityHost([decides, holdings as AnySpec], parsed, view);
  const queue = eventQueue<() => void>();
  const agents = Array.from({ length: plan.agents }, (_, n) => newAgent(`a${n}`, random.between(-SKEW_MS, SKEW_MS), plan.rounds));
  const judge = lockJudge(
    host,
    agents.map(({ id }) => id),
    plan.capacity,
    { grace: parsed.grace, isHonest: !faults.lies },
  );
  let now = 0;
  let isCalm = false;

  const later = (ms: number, run: () => void): void => queue.put(now + ms, run);
  const chance = (share: number): boolean => !isCalm && random() < share;
  const delay = (): number => random.between(1, isCalm ? 20 : faults.delay);
  const jump = (): number => (faults.lies && chance(0.05) ? random.between(-5000, 5000) : 0);
  const managersClock = (): number => START + now + random.between(-SKEW_MS, SKEW_MS) + jump();
  const clockOf = (agent: Agent): number => START + now + agent.skew;

  /** Onto a stream, which tells when it got it, and from there to the manager. */
  const send = (message: object, isSure = false): void => {
    if (!isSure && chance(faults.loss)) return;
    for (let copies = !isSure && chance(faults.doubled) ? 2 : 1; copies > 0; copies--)
      later(isSure ? 0 : delay(), () => {
        const sentAt = START + now;
        const receiver = (message as { body: { transfer_to?: string } }).body.transfer_to;
        later(delay(), () => decided(host.tell({ ...message, headers: {}, sentAt }, managersClock()), receiver));
      });
  };

  const ask = (agent: Agent, resource_id: string, coordination_type: string, more: object = {}): void =>
    send({
      message: 'resourceRequest',
      params: { resource_id },
      body: { resource_id, coordination_type, requester: agent.id, ttl_ms: TTL_MS, resource_details: capacityOf(resource_id), ...more },
    });
  const capacityOf = (id: string) => ({ capacity: plan.capacity[id] });

  const decided = ({ key, publish }: { key: EntityKey; publish: Output[] }, receiver?: string): void => {
    judge.decided(key, publish, now, receiver);
    for (const { subject, body } of publish) {
      const [, , verb, to] = subject.split('.');
      const agent = agents.find(({ id }) => id === to);
      if (verb === 'granted' && agent) answer(agent, body as ResourceGranted);
      else send({ message: 'resourceRequest', params: {}, body }, true);
    }
    setTimer(key);
  };

  /** One an entity, as the bridge keeps them: late, and now and then also when nobody set it. */
  const timers = new Map<EntityKey, number>();
  const setTimer = (key: EntityKey): void => {
    const turn = (timers.get(key) ?? 0) + 1;
    timers.set(key, turn);
    const due = host.dueAt(key) - START;
    const ring = (): void => decided(host.ring(key, managersClock()));
    if (due !== Infinity)
      later(Math.max(1, due - now) + random.between(0, isCalm ? 5 : 300), () => {
        if (timers.get(key) === turn) ring();
      });
    if (chance(0.02)) later(delay(), ring);
  };

  const answer = (agent: Agent, body: ResourceGranted): void => {
    const { incarnation } = agent;
    if (chance(faults.loss)) return;
    for (let copies = chance(faults.doubled) ? 2 : 1; copies > 0; copies--)
      later(delay(), () => {
        if (agent.isUp && agent.incarnation === incarnation) hear(agent, body);
      });
  };

  const letGo = (agent: Agent, id: string, token: number): void => {
    agent.past.set(id, Math.max(token, agent.past.get(id) ?? 0));
    agent.leases.delete(id);
    judge.stopped(agent.id, id, now);
  };

  const hear = (agent: Agent, body: ResourceGranted): void => {
    const { resource_id: id, status, request_id, fencing_token: token = 0, lease_until, code } = body;
    if (status === 'granted') {
      const until = Date.parse(lease_until ?? '');
      if (token <= (agent.past.get(id) ?? 0)) return;
      if (!agent.wants.includes(id) || request_id !== agent.request) {
        // Of what it once wanted.
        if (token < (agent.leases.get(id)?.token ?? 0)) return;
        letGo(agent, id, token);
        ask(agent, id, 'release', { fencing_token: token });
      } else if (clockOf(agent) < until) {
        const before = agent.leases.get(id);
        if (before && before.token > token) return;
        const lasts = before?.token === token ? Math.max(before.until, until) : until;
        agent.leases.set(id, { token, until: lasts });
        const stillHolds = (): boolean => agent.isUp && clockOf(agent) < (agent.leases.get(id)?.until ?? 0);
        judge.believes(agent.id, id, token, now, lasts - START - agent.skew, stillHolds);
      }
    } else if ((status === 'released' || status === 'expired') && agent.leases.get(id)?.token === token) letGo(agent, id, token);
    else if (status === 'refused' && code === 'deadlock' && agent.wants.includes(id) && !agent.leases.has(id)) giveUp(agent);
  };

  /** The victim of a deadlock lets go of everything, and tries again. */
  const giveUp = (agent: Agent): void => {
    for (const id of agent.wants) {
      const lease = agent.leases.get(id);
      if (lease) {
        const others = agents.filter((other) => other !== agent);
        if (faults.crashes > 0 && chance(0.3))
          ask(agent, id, 'transfer', { fencing_token: lease.token, transfer_to: random.pick(others).id });
        else ask(agent, id, 'release', { fencing_token: lease.token });
        letGo(agent, id, lease.token);
      }
    }
    agent.wants = [];
    agent.worksUntil = undefined;
  };

  const step = (agent: Agent): void => {
    if (!agent.isUp) return;
    later(random.between(RESEND_MS / 2, RESEND_MS), () => step(agent));
    if (isCalm && Math.abs(agent.skew) > SKEW_MS) agent.skew = 0;
    if (faults.lies && chance(0.05)) agent.skew += random.between(-5000, 5000);
    if (faults.lies && chance(0.02)) send({ message: 'failure', body: { agent_id: agent.id, failure_type: 'process_crash' } }, true);
    if (chance(faults.crashes)) crash(agent);
    else if (agent.wants.length === 0) begin(agent);
    else work(agent);
  };

  const work = (agent: Agent): void => {
    for (const [id, { token, until }] of agent.leases) {
      if (chance(0.3) || isCalm) check(id, token);
      if (clockOf(agent) >= until) letGo(agent, id, token);
    }
    if (agent.wants.every((id) => agent.leases.has(id))) agent.worksUntil ??= now + random.between(0, 2 * TTL_MS);
    if (agent.worksUntil !== undefined && now >= agent.worksUntil) {
      agent.rounds--;
      giveUp(agent);
      return;
    }
    for (const [id, { token }] of agent.leases) ask(agent, id, 'renew', { fencing_token: token });
    // It asks for one after the other.
    const missing = agent.wants.find((id) => !agent.leases.has(id));
    if (missing === undefined) return;
    judge.asked(agent.id, missing, now);
    ask(agent, missing, 'acquire', { request_id: agent.request });
  };

  const begin = (agent: Agent): void => {
    if (agent.rounds <= 0 || random() < 0.3) return;
    agent.request = `${agent.incarnation}-${now}`;
    const first = random.pick(names);
    const second = random.pick(names);
    agent.wants = random() < 0.6 && second !== first ? [first, second] : [first];
  };

  const check = (resource_id: string, token: number): void => {
    const call = now;
    later(delay(), () => {
      const decision = host.tell({ message: 'controlResourceCheck', body: { resource_id, fencing_token: token } }, managersClock());
      decided(decision);
      const { current } = (decision.reply as { body: { current: boolean } }).body;
      judge.checked(resource_id, { kind: 'check', token, current, call, return: now });
    });
  };

  const crash = (agent: Agent): void => {
    for (const id of agent.leases.keys()) judge.stopped(agent.id, id, now);
    Object.assign(agent, { ...newAgent(agent.id, agent.skew, agent.rounds), isUp: false, incarnation: agent.incarnation + 1 });
    const noticed = random.between(1, 1500);
    if (random() < 0.8) later(noticed, () => send({ message: 'agentStopped', body: { agent_id: agent.id } }, true));
    later(noticed + random.between(1, 3000), () => {
      agent.isUp = true;
      step(agent);
    });
  };

  for (const agent of agents) later(random.between(0, 500), () => step(agent));
  const calmAt = plan.rounds * 4000;
  const isOver = (): boolean => isCalm && agents.every(({ rounds, wants }) => rounds <= 0 && wants.length === 0);
  let endsAt = LIMIT_MS;
  for (let next = queue.take(); next && next.at <= endsAt; next = queue.take()) {
    now = next.at;
    isCalm ||= now >= calmAt;
    next.event();
    if (endsAt === LIMIT_MS && isOver()) endsAt = now + 10 * TTL_MS;
  }
  judge.ended(endsAt !== LIMIT_MS);
  return { problems: judge.problems, histories: judge.histories, seen: judge.seen };
};

const newAgent = (id: string, skew: number, rounds: number): Agent => ({
  id,
  incarnation: 0,
  isUp: true,
  skew,
  wants: [],
  request: '',
  leases: new Map(),
  past: new Map(),
  rounds,
  worksUntil: undefined,
});
