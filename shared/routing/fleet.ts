/** What a batch of decisions has to know of the agents: who could do what, what they have to do, and whose circuit is in which state. */
import { type Circuit, circuitKind } from '#shared/circuit/circuit.ts';
import type { Reader } from '#shared/entity/reader.ts';
import type { Policy } from '#shared/messages/routing-policy.ts';
import { type Agent, agentKind } from '#shared/registry/agent.ts';
import { type Need, needKey } from '#shared/tasks/need.ts';
import { agentOfSlots, drawAgents, slotsIdOf } from '#shared/tasks/roster.ts';
import { NO_TASKS, type Slots, slotsKind } from '#shared/tasks/slots.ts';
import { fits, roomOf } from './capacity.ts';
import { namedBy } from './policies.ts';

export type Fleet = {
  /** By agent. */
  agents: ReadonlyMap<string, Agent>;
  slots: ReadonlyMap<string, Slots>;
  circuits: ReadonlyMap<string, Circuit>;
  /** By `needKey`, who could do it: all of a small fleet, some of a large one. */
  able: ReadonlyMap<string, readonly string[]>;
};

/** Agents that are drawn for a need: some more than are wanted, and where hardly any of them has room four times as many. */
const DRAW = { spare: 8, again: 4, most: 1000 };

/** Whom a message or a task may go to, and how one of them is chosen. */
export type Ask = { need: Need; policy: Policy };

/** A draw may miss the few that a policy prefers: they are drawn for themselves. */
const preferred = ({ need, policy }: Ask): Need[] =>
  policy.type === 'topology_aware' && need.zone === undefined ? policy.preferred_zones.map((zone) => ({ ...need, zone })) : [];

/**
 * Reads agents for so many tasks of each need, and those named by `ids` or a policy. What it costs grows with `wanted`, not with
 * the fleet: of a large one it draws.
 */
export const readFleet = async (
  reader: Reader,
  asks: readonly Ask[],
  ids: readonly string[],
  { wanted, seed }: { wanted: number; seed: string },
): Promise<Fleet> => {
  const distinct = [...Map.groupBy(asks, ({ need }) => needKey(need)).values()];
  for (let most = Math.min(DRAW.most, wanted + DRAW.spare); ; most = Math.min(DRAW.most, most * DRAW.again)) {
    const drawn = await Promise.all(distinct.map((same) => draw(reader, same as [Ask], most, seed)));
    const fleet = await readAgents(reader, [...drawn.flatMap(({ ids }) => ids), ...ids]);
    const able = new Map(drawn.map(({ need, ids }) => [needKey(need), ids.filter((id) => couldDo(fleet.agents.get(id), need))]));
    const isAll = drawn.every(({ isPart }) => !isPart);
    if (isAll || most === DRAW.most || able.values().every((ids) => roomIn(fleet, ids) >= wanted)) return { ...fleet, able };
  }
};

/** Some for asks with the same need, and all whom their policies name. */
const draw = async (reader: Reader, asks: [Ask, ...Ask[]], most: number, seed: string) => {
  const [{ need }] = asks;
  const policies = [...new Set(asks.map(({ policy }) => policy))];
  const needs = new Map([need, ...policies.flatMap((policy) => preferred({ need, policy }))].map((one) => [needKey(one), one]));
  const [some = [], ...others] = await Promise.all(
    needs.values().map((one) => (one.participants.length > 0 ? one.participants : drawAgents(reader, slotsKind, one, { most, seed }))),
  );
  return { need, ids: [...new Set([...some, ...others.flat(), ...policies.flatMap(namedBy)])], isPart: some.length === most };
};

const couldDo = (agent: Agent | undefined, need: Need): boolean => agent !== undefined && fits(agent, need);

/** How many tasks more these agents may have. */
export const roomIn = ({ agents, slots, circuits }: Omit<Fleet, 'able'>, ids: readonly string[]): number =>
  ids.reduce((room, id) => {
    const agent = agents.get(id);
    return agent ? room + Math.max(0, roomOf(agent, slots.get(id) ?? NO_TASKS, circuits.get(id))) : room;
  }, 0);

const readAgents = async (reader: Reader, ids: readonly string[]): Promise<Omit<Fleet, 'able'>> => {
  const [agents, slots, circuits] = await Promise.all([
    reader.load(agentKind, ids),
    reader.load(slotsKind, ids.map(slotsIdOf)),
    reader.load(circuitKind, ids),
  ]);
  return { agents, slots: new Map([...slots].map(([id, of]) => [agentOfSlots(id), of])), circuits };
};
