/**
 * An election in virtual time, from a seed: candidates that ask, lead by their own clocks and beat as document 002's do, and a bus and
 * a function that lose, delay, repeat, reorder, fail after the write, and disagree about the time by no more than they may.
 */
import { settings } from '#functions/election/settings.ts';
import type { Output } from '#shared/entity/entity.ts';
import { controlElectionResign } from '#shared/messages/control-coordination.ts';
import { electionHeartbeat, electionVote, leaderElection } from '#shared/messages/election.ts';
import { agentStopped } from '#shared/messages/lifecycle.ts';
import type { AnyMessage, Received } from '#shared/messages/message.ts';
import { failure } from '#shared/messages/supervision.ts';
import { buildSubject } from '#shared/subjects.ts';
import { seeded } from '../sim/random.ts';
import type { History } from './election-history.ts';
import { electionTable, type Mutant } from './election-table.ts';

const DOMAIN = 'nlp';
const PATIENCE = 2000;
const START = Date.UTC(2026, 0, 1);

export type Faults = {
  /** Share of what is said that is lost. */ loss: number;
  repeat: number;
  slow: number;
  failedWrites: number;
  crashes: number;
  clocks: number;
};
export const NO_FAULTS: Faults = { loss: 0, repeat: 0, slow: 0, failedWrites: 0, crashes: 0, clocks: 0 };

type Agent = {
  id: string;
  life: number;
  up: boolean;
  rate: number;
  /** Its lease by its own clock; `until` is a true time. */
  tenure?: { term: number; from: number; until: number };
  asked?: { inbox: string; at: number };
};

type Options = {
  seed: number;
  candidates: number;
  faults: Faults;
  /** Faults end then, and everything ends `quietMs` later. */
  faultyMs: number;
  quietMs: number;
  mutant?: Mutant;
  environment?: Record<string, string>;
};

export const simulateElection = ({ seed, candidates, faults, faultyMs, quietMs, mutant, environment = {} }: Options) => {
  const random = seeded(seed);
  const chance = (share: number) => share > 0 && random() < share;
  const rules = settings.parse({});
  const table = electionTable(settings.parse(environment), mutant);
  const history: History = { tenures: [], announced: [] };
  const queue: { at: number; n: number; run: () => void }[] = [];
  let now = START;
  let count = 0;
  let over = false;

  const faulty = () => now < START + faultyMs;
  const share = (of: keyof Faults) => (faulty() ? faults[of] : 0);
  /** Binary heap by time, then by order. */
  const later = (ms: number, run: () => void): void => {
    const entry = { at: now + Math.max(0, ms), n: ++count, run };
    let i = queue.push(entry) - 1;
    for (let up = (i - 1) >> 1; i > 0 && isBefore(entry, queue[up] as typeof entry); up = (i - 1) >> 1) {
      queue[i] = queue[up] as typeof entry;
      i = up;
    }
    queue[i] = entry;
  };
  const isBefore = (a: { at: number; n: number }, b: { at: number; n: number }) => a.at < b.at || (a.at === b.at && a.n < b.n);
  const next = () => {
    const [first] = queue;
    const last = queue.pop();
    if (!first || !last || first === last) return first;
    let i = 0;
    for (;;) {
      let down = 2 * i + 1;
      if (down >= queue.length) break;
      if (down + 1 < queue.length && isBefore(queue[down + 1] as typeof last, queue[down] as typeof last)) down++;
      if (!isBefore(queue[down] as typeof last, last)) break;
      queue[i] = queue[down] as typeof last;
      i = down;
    }
    queue[i] = last;
    return first;
  };

  const delay = () => (chance(share('slow')) ? random.between(100, 8000) : random.between(1, 20));
  /** A clock that is off by at most 40% of what they may be apart. */
  const skewed = () => now + (chance(share('clocks')) ? random.between(-0.4 * rules.skewMs, 0.4 * rules.skewMs) : 0);

  const agents: Agent[] = Array.from({ length: candidates }, (_, n) => ({
    id: `a${n}`,
    life: 0,
    up: true,
    rate: 1 + (random() - 0.5) / 100,
  }));
  const agentOf = (id: string) => agents.find((agent) => agent.id === id) as Agent;

  const make = (message: AnyMessage, params: Record<string, string>, body: object, reply?: string): Received<AnyMessage> =>
    ({
      message: message.name,
      subject: buildSubject(message.subject as string, params),
      params,
      body,
      headers: {},
      sentAt: now,
      ...(reply && { reply }),
    }) as never;

  // The bus and the function.
  const publish = (outputs: readonly Output[]): void => {
    for (const { subject, body } of outputs) if (!chance(share('loss'))) later(delay(), () => hear(subject, body as never));
  };
  let alarm: number | null = null;
  const setAlarm = (): void => {
    const due = table.wakeAt(DOMAIN);
    if (due === null || due === alarm) return;
    alarm = due;
    const late = chance(share('slow')) ? random.between(0, 20_000) : random.between(0, 250);
    later(due - skewed() + late, () => {
      if (alarm === due) alarm = null;
      run((lands) => table.ring(DOMAIN, due, skewed(), lands));
      setAlarm();
    });
  };
  const run = (decide: (lands: boolean) => ReturnType<typeof table.tell>): void => {
    // The write conflicts or fails: nothing of the decision is, and the record is decided again.
    while (chance(share('failedWrites'))) decide(false);
    const { publish: outputs = [] } = decide(true);
    for (const { subject, body } of outputs) if (subject.endsWith('.leader')) history.announced.push(body as never);
    setAlarm();
    // What was written and not said is said by the next one, or by the sweep.
    if (chance(share('failedWrites'))) later(random.between(1000, 60_000), () => publish(outputs));
    else publish(outputs);
    if (chance(share('repeat'))) later(random.between(0, 30_000), () => publish(outputs));
  };
  const arrive = (event: Received<AnyMessage>, durable = false): void => {
    if (!durable && chance(share('loss'))) return;
    const receive = () => run((lands) => table.tell(durable ? event : { ...event, sentAt: skewed() }, skewed(), lands));
    later(delay(), receive);
    if (chance(share('repeat'))) later(delay() + random.between(0, 5000), receive);
  };

  // The agents.
  const end = (agent: Agent): void => {
    const { tenure } = agent;
    if (tenure) history.tenures.push({ agent: agent.id, term: tenure.term, from: tenure.from, to: Math.min(tenure.until, now) });
    delete agent.tenure;
  };
  const leads = (agent: Agent): boolean => agent.tenure !== undefined && now < agent.tenure.until;
  const lead = (agent: Agent, term: number, askedAt: number, leaseMs: number): void => {
    const until = askedAt + leaseMs / agent.rate;
    if (agent.tenure?.term === term && leads(agent)) agent.tenure.until = Math.max(agent.tenure.until, until);
    else if (until > now && term >= (agent.tenure?.term ?? 0)) {
      end(agent);
      agent.tenure = { term, from: now, until };
      beat(agent, agent.life);
    }
  };
  const hear = (subject: string, body: { leader: string | null; term: number; lease_ms?: number }): void => {
    if (subject.startsWith('inbox.')) {
      const [, id = '', life, askedAt] = subject.split('.');
      const agent = agentOf(id);
      const isWaiting = now - Number(askedAt) <= PATIENCE;
      if (agent.up && agent.life === Number(life) && isWaiting) lead(agent, body.term, Number(askedAt), body.lease_ms ?? 0);
    } else if (subject.endsWith('.leader'))
      for (const agent of agents)
        if (
          agent.tenure &&
          agent.tenure.term <= body.term &&
          body.leader !== agent.id &&
          (body.leader !== null || agent.tenure.term === body.term)
        )
          end(agent);
  };
  const ask = (agent: Agent, message: typeof electionVote | typeof electionHeartbeat): void =>
    arrive(make(message, { domain: DOMAIN }, { agent_id: agent.id }, `inbox.${agent.id}.${agent.life}.${now}`));
  const stand = (agent: Agent, life: number): void => {
    if (over || agent.life !== life || !agent.up) return;
    if (!leads(agent)) {
      end(agent);
      ask(agent, electionVote);
    }
    later(12_000, () => stand(agent, life));
  };
  const beat = (agent: Agent, life: number): void => {
    if (over || agent.life !== life || !leads(agent)) return;
    const { term } = agent.tenure as { term: number };
    ask(agent, electionHeartbeat);
    later(5000, () => agent.tenure?.term === term && beat(agent, life));
  };
  const leave = (agent: Agent): void => {
    end(agent);
    agent.life++;
    const how = random.between(0, 3);
    if (how === 0) arrive(make(agentStopped, { agent_id: agent.id }, { agent_id: agent.id }), true);
    if (how === 1) arrive(make(failure, { severity: 'high' }, { agent_id: agent.id, failure_type: 'process_crash' }), true);
    if (how === 2) arrive(make(leaderElection, { domain: DOMAIN }, { message_type: 'resign', candidate: agent.id, term: 0 }), true);
    agent.up = false;
    later(how === 2 ? 100 : random.between(100, 30_000), () => {
      agent.up = true;
      stand(agent, agent.life);
    });
  };
  const disturb = (): void => {
    if (!faulty()) return;
    const agent = chance(0.7) ? (agents.find(leads) ?? random.pick(agents)) : random.pick(agents);
    if (chance(faults.crashes) && agent.up) leave(agent);
    if (chance(faults.crashes / 3)) arrive(make(controlElectionResign, {}, { domain: DOMAIN }));
    if (chance(faults.crashes / 3)) run((lands) => table.ring(DOMAIN, now - 100_000, skewed(), lands));
    later(random.between(500, 10_000), disturb);
  };

  for (const agent of agents) later(random.between(0, 12_000), () => stand(agent, 0));
  later(random.between(1000, 10_000), disturb);
  const runUntil = (time: number): void => {
    for (let entry = queue[0]; entry && entry.at <= time; entry = queue[0]) {
      now = (next() as { at: number }).at;
      entry.run();
    }
    now = time;
  };
  runUntil(START + faultyMs + quietMs);
  const leaders = agents.filter(leads).map(({ id }) => id);
  return {
    history,
    table,
    /** Who leads, as it believes itself. */
    leaders,
    crash: (id: string) => {
      end(agentOf(id));
      agentOf(id).up = false;
      agentOf(id).life++;
    },
    leadersNow: () => agents.filter(leads).map(({ id }) => id),
    runUntil: (ms: number) => runUntil(now + ms),
    finish: () => {
      over = true;
      for (const agent of agents) end(agent);
      return history;
    },
  };
};
