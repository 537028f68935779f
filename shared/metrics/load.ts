/** How agents do at the moment, for whoever chooses among them. */
import type { Reader } from '#shared/entity/reader.ts';
import type { Figures } from './figures.ts';
import { agentMetricsKind } from './measured.ts';

/** By agent. A figure that an agent never gave is missing; how old one is, `at` says. One read for all of them. */
export const readLoads = async (reader: Reader, agentIds: readonly string[]): Promise<Map<string, Figures>> => {
  const measured = await reader.load(agentMetricsKind, agentIds);
  return new Map([...measured].map(([agentId, { latest }]) => [agentId, latest]));
};
