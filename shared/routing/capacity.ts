/** What an agent may be given: whether it could do a task, and how many more it may have. Pure. */
import type { Circuit } from '#shared/circuit/circuit.ts';
import { type Agent, isHealthy } from '#shared/registry/agent.ts';
import type { Need } from '#shared/tasks/need.ts';
import { type Slots, usedProbes, usedSlots } from '#shared/tasks/slots.ts';
import type { Candidate } from './candidate.ts';

/** Tasks at once of an agent that does not say how many it takes, and of one that says too much (document 003). */
const CAPACITY = { unsaid: 1, most: 100 };

/** How many tasks an agent may have at once. */
export const capacityOf = ({ profile: { max_concurrent_tasks = CAPACITY.unsaid } }: Agent): number =>
  Math.min(max_concurrent_tasks, CAPACITY.most);

/** Whether it could do it, busy or not. */
export const fits = (agent: Agent, { capabilities, zone, domain, participants }: Need): boolean =>
  isHealthy(agent) &&
  capabilities.every((capability) => agent.profile.capabilities.includes(capability)) &&
  (zone === undefined || agent.profile.zone === zone) &&
  (domain === undefined || agent.profile.domain === domain) &&
  (participants.length === 0 || participants.includes(agent.profile.agent_id));

/** How many tasks more it may have now. `circuit`: its own; undefined: nobody ever reported how its tasks went. */
export const roomOf = (agent: Agent, slots: Slots, circuit: Circuit | undefined): number => {
  const free = capacityOf(agent) - usedSlots(slots);
  if (!circuit) return free;
  switch (circuit.state) {
    case 'closed':
      return free;
    case 'open':
      return 0;
    case 'half-open':
      return Math.min(free, circuit.permits - usedProbes(slots, circuit.epoch));
    default:
      throw circuit.state satisfies never;
  }
};

type Known = { slots: Slots; circuit: Circuit | undefined; candidate: Candidate };
/** By agent as it was read: in a batch an agent is compared for every task, and changes with few. */
const known = new WeakMap<Agent, Known>();

export const candidateOf = (agent: Agent, slots: Slots, circuit: Circuit | undefined): Candidate => {
  const before = known.get(agent);
  if (before?.slots === slots && before.circuit === circuit) return before.candidate;
  const candidate = toCandidate(agent, slots, circuit);
  known.set(agent, { slots, circuit, candidate });
  return candidate;
};

const toCandidate = (agent: Agent, slots: Slots, circuit: Circuit | undefined): Candidate => ({
  id: agent.profile.agent_id,
  domain: agent.profile.domain,
  zone: agent.profile.zone,
  capabilities: agent.profile.capabilities,
  capacity: capacityOf(agent),
  active: usedSlots(slots),
  room: roomOf(agent, slots, circuit),
  load: agent.load,
  last: slots.last,
  turn: slots.turn,
  healthy: isHealthy(agent),
  circuit: circuit?.state,
});
