/**
 * Two lanes give tasks to agents at the same time, and would write the same slots. In a flood each keeps to the agents whose
 * messages come by it, as long as they have room: what is said of an agent's tasks is grouped by agent. Pure.
 */
import { fnv1a } from '#shared/fnv1a.ts';

/** `concurrency` of the function's bindings: with another number it works as well, but its lanes conflict. */
export const LANES = 2;

const laneOf = (key: string): number => fnv1a(key) % LANES;

/** By list as it was read. */
const split = new WeakMap<readonly string[], string[][]>();

/** Of these agents, those of the lane by which the task comes. */
export const ofOneLane = (agentIds: readonly string[], taskId: string): readonly string[] => {
  const known = split.get(agentIds) ?? Array.from({ length: LANES }, (_, lane) => agentIds.filter((id) => laneOf(id) === lane));
  split.set(agentIds, known);
  return known[laneOf(taskId)] as string[];
};
