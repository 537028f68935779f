/** What a batch of decisions has to know of the agents: who could do what, and whose circuit is in which state. */
import { type Circuit, circuitKind } from '#shared/circuit/circuit.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { type Agent, agentKind, capabilityLookup } from '#shared/registry/agent.ts';
import { type Need, needKey } from '#shared/tasks/need.ts';
import { NO_TASKS, slotsKind } from '#shared/tasks/slots.ts';
import { byLoad, type Candidate, fits, roomOf } from './choose.ts';

export type Fleet = {
  agents: ReadonlyMap<string, Agent>;
  circuits: ReadonlyMap<string, Circuit>;
  /** By `needKey`, who could do it, the best first as things stood when the batch began. */
  able: ReadonlyMap<string, readonly string[]>;
};

/** Reads all agents that fit one of the needs, and those named by `ids`: a round trip for who there may be, one for all of them. */
export const readFleet = async (reader: Reader, needs: readonly Need[], ids: readonly string[]): Promise<Fleet> => {
  const distinct = new Map(needs.map((need) => [needKey(need), need]));
  const found = await findIds(reader, [...distinct.values()]);
  const all = [...new Set([...found.values()].flat().concat(ids))];
  const [agents, slots, circuits] = await Promise.all([
    reader.load(agentKind, all),
    reader.load(slotsKind, distinct.size > 0 ? all : []),
    reader.load(circuitKind, all),
  ]);
  const candidate = (agent: Agent): Candidate => {
    const { agent_id } = agent.profile;
    return { agent, slots: slots.get(agent_id) ?? NO_TASKS, circuit: circuits.get(agent_id) };
  };
  const able = [...distinct].map(([key, need]) => {
    const fitting = (found.get(sourceOf(need)) ?? []).flatMap((id) => agents.get(id) ?? []).filter((agent) => fits(agent, need));
    return [
      key,
      fitting
        .map(candidate)
        .sort(byRoomThenLoad)
        .map(({ agent }) => agent.profile.agent_id),
    ] as const;
  });
  return { agents, circuits, able: new Map(able) };
};

const byRoomThenLoad = (a: Candidate, b: Candidate): number => Number(roomOf(a) <= 0) - Number(roomOf(b) <= 0) || byLoad(a, b);

/** The lookup value, or the list of ids, that holds all who may fit. */
const sourceOf = ({ participants, capabilities: [capability] }: Need): string | readonly string[] => {
  if (participants.length > 0) return participants;
  return capability === undefined ? agentKind.kind : capabilityLookup(capability);
};

const findIds = async (reader: Reader, needs: readonly Need[]): Promise<Map<string | readonly string[], readonly string[]>> => {
  const sources = [...new Set(needs.map(sourceOf))];
  return new Map(
    await Promise.all(
      sources.map(async (source) => [source, typeof source === 'string' ? await reader.lookup(agentKind, source) : source] as const),
    ),
  );
};
