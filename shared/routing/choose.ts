/** Who gets the next task: of the agents that can and have room, the least loaded, and of equals the one whose last task is longest ago. Pure. */
import type { Circuit } from '#shared/circuit/circuit.ts';
import { type Agent, isHealthy } from '#shared/registry/agent.ts';
import type { Need } from '#shared/tasks/need.ts';
import { type Slots, usedProbes, usedSlots } from '#shared/tasks/slots.ts';

export type Candidate = {
  agent: Agent;
  slots: Slots;
  /** Its own; undefined: nobody ever reported how its tasks went. */
  circuit: Circuit | undefined;
};

/** Tasks at once of an agent that does not say how many it takes. */
const DEFAULT_CAPACITY = 1;

/** How many tasks an agent may have at once. */
export const capacityOf = ({ profile }: Agent): number => profile.max_concurrent_tasks ?? DEFAULT_CAPACITY;

/** Whether it could do it, busy or not. */
export const fits = (agent: Agent, { capabilities, zone, participants }: Need): boolean =>
  isHealthy(agent) &&
  capabilities.every((capability) => agent.profile.capabilities.includes(capability)) &&
  (zone === undefined || agent.profile.zone === zone) &&
  (participants.length === 0 || participants.includes(agent.profile.agent_id));

/** How many tasks more it may have now. */
export const roomOf = ({ agent, slots, circuit }: Candidate): number => {
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

const loadOf = ({ agent, slots }: Candidate): number => usedSlots(slots) / capacityOf(agent);

/** The better one first. A total order: the same candidates have one best. */
export const byLoad = (a: Candidate, b: Candidate): number =>
  loadOf(a) - loadOf(b) || a.slots.last - b.slots.last || (a.agent.profile.agent_id < b.agent.profile.agent_id ? -1 : 1);

/** undefined: nobody has room. */
export const choose = (candidates: readonly Candidate[], need: Need): Candidate | undefined => {
  let best: Candidate | undefined;
  for (const candidate of candidates)
    if (roomOf(candidate) > 0 && fits(candidate.agent, need) && (!best || byLoad(candidate, best) < 0)) best = candidate;
  return best;
};
