/** Candidates of a simulated election: they ask, lead by their own clocks and beat as document 002's do. */
import { electionHeartbeat, electionVote } from '#shared/messages/election.ts';
import type { Random } from '../sim/random.ts';
import type { Tenure } from './election-history.ts';

const PATIENCE = 2000;

type Agent = {
  id: string;
  life: number;
  up: boolean;
  rate: number;
  /** Its lease by its own clock; `until` is a true time. */
  tenure?: { term: number; token: number; from: number; until: number };
};

export type Told = { leader: string | null; term: number; fencing_token: number; lease_ms?: number };

type World = {
  count: number;
  random: Random;
  now: () => number;
  later: (ms: number, run: () => void) => void;
  /** By how much a clock is off, ms. */
  jump: () => number;
  say: (message: typeof electionVote | typeof electionHeartbeat, agent: string, inbox: string) => void;
  ended: (tenure: Tenure) => void;
};

export const electionCandidates = ({ count, random, now, later, jump, say, ended }: World) => {
  let over = false;
  const agents: Agent[] = Array.from({ length: count }, (_, n) => ({
    id: `a${n}`,
    life: 0,
    up: true,
    rate: 1 + (random() - 0.5) / 100,
  }));
  const agentOf = (id: string) => agents.find((agent) => agent.id === id) as Agent;

  const end = (agent: Agent): void => {
    const { tenure } = agent;
    if (tenure) ended({ ...tenure, agent: agent.id, to: Math.min(tenure.until, now()) });
    delete agent.tenure;
  };
  const leads = (agent: Agent): boolean => agent.tenure !== undefined && now() < agent.tenure.until;
  const lead = (agent: Agent, { term, fencing_token: token, lease_ms = 0 }: Told, askedAt: number): void => {
    const until = askedAt + lease_ms / agent.rate + jump();
    if (agent.tenure?.token === token && leads(agent)) agent.tenure.until = Math.max(agent.tenure.until, until);
    else if (until > now() && token >= (agent.tenure?.token ?? 0)) {
      end(agent);
      agent.tenure = { term, token, from: now(), until };
      beat(agent, agent.life);
    }
  };
  const hear = (subject: string, body: Told): void => {
    if (subject.startsWith('inbox.')) {
      const [, id = '', life, askedAt] = subject.split('.');
      const agent = agentOf(id);
      const isWaiting = now() - Number(askedAt) <= PATIENCE;
      if (agent.up && agent.life === Number(life) && isWaiting) lead(agent, body, Number(askedAt));
    } else if (subject.endsWith('.leader'))
      for (const agent of agents)
        if (
          agent.tenure &&
          agent.tenure.token <= body.fencing_token &&
          body.leader !== agent.id &&
          (body.leader !== null || agent.tenure.token === body.fencing_token)
        )
          end(agent);
  };
  const ask = (agent: Agent, message: typeof electionVote | typeof electionHeartbeat): void =>
    say(message, agent.id, `inbox.${agent.id}.${agent.life}.${now()}`);
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
    const { token } = agent.tenure as { token: number };
    ask(agent, electionHeartbeat);
    later(5000, () => agent.tenure?.token === token && beat(agent, life));
  };

  return {
    ids: agents.map(({ id }) => id),
    hear,
    /** Those that believe to lead. */
    leaders: (): string[] => agents.filter(leads).map(({ id }) => id),
    isUp: (id: string): boolean => agentOf(id).up,
    start: (id: string): void => {
      const agent = agentOf(id);
      agent.up = true;
      stand(agent, agent.life);
    },
    crash: (id: string): void => {
      const agent = agentOf(id);
      end(agent);
      agent.up = false;
      agent.life++;
    },
    finish: (): void => {
      over = true;
      for (const agent of agents) end(agent);
    },
  };
};
