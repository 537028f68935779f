/** What a batch of decisions has to know of the agents: who could do what, and whose circuit is in which state. */
import { type Circuit, circuitKind } from '#shared/circuit/circuit.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { type Agent, agentKind } from '#shared/registry/agent.ts';
import { findAgents } from '#shared/registry/candidates.ts';
import { type Need, needKey } from '#shared/tasks/need.ts';
import { NO_TASKS, slotsKind } from '#shared/tasks/slots.ts';
import { byLoad, type Candidate, fits, roomOf } from './choose.ts';

export type Fleet = {
  agents: ReadonlyMap<string, Agent>;
  circuits: ReadonlyMap<string, Circuit>;
  /** By `needKey`, who could do it, the best first as things stood when the batch began. */
  able: ReadonlyMap<string, readonly string[]>;
};

/** Reads all agents that fit one of the needs, and those named by `ids`. */
export const readFleet = async (reader: Reader, needs: readonly Need[], ids: readonly string[]): Promise<Fleet> => {
  const distinct = [...new Map(needs.map((need) => [needKey(need), need]))];
  const found = await Promise.all(distinct.map(([, need]) => findAble(reader, need)));
  const named = await reader.load(agentKind, ids);
  const agents = new Map([...named, ...found.flat().map((agent) => [agent.profile.agent_id, agent] as const)]);
  const [slots, circuits] = await Promise.all([
    reader.load(slotsKind, [...new Set(found.flat().map(({ profile }) => profile.agent_id))]),
    reader.load(circuitKind, [...agents.keys()]),
  ]);
  const asCandidate = (agent: Agent): Candidate => ({
    agent,
    slots: slots.get(agent.profile.agent_id) ?? NO_TASKS,
    circuit: circuits.get(agent.profile.agent_id),
  });
  const ranked = found.map((able) =>
    able
      .map(asCandidate)
      .sort((a, b) => Number(roomOf(a) <= 0) - Number(roomOf(b) <= 0) || byLoad(a, b))
      .map(({ agent }) => agent.profile.agent_id),
  );
  return { agents, circuits, able: new Map(distinct.map(([key], n) => [key, ranked[n] as string[]])) };
};

const findAble = async (reader: Reader, need: Need): Promise<Agent[]> => {
  const { capabilities, zone, participants } = need;
  const agents =
    participants.length > 0
      ? [...(await reader.load(agentKind, participants)).values()]
      : await findAgents(reader, { capability: capabilities[0], zone, healthy: true }, Number.POSITIVE_INFINITY);
  return agents.filter((agent) => fits(agent, need));
};
