/** Finds agents in the table: by capability, domain, zone and health. Discovery answers with them, assignment chooses among them. */
import { readPage } from '#shared/entity/page.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { type Agent, agentKind, capabilityLookup, domainLookup, isHealthy, roleLookup } from './agent.ts';

/** What is absent matters not; `healthy: false` asks for those that are not. */
export type Wanted = {
  capability?: string | undefined;
  domain?: string | undefined;
  name?: string | undefined;
  zone?: string | undefined;
  healthy?: boolean | undefined;
};

const PAGE = 100;

/** Reads until `limit` agents match, a page at a time: what it has not read is not among the chosen. */
export const findAgents = async (reader: Reader, wanted: Wanted, limit: number): Promise<Agent[]> => {
  const value = mostSelective(wanted);
  const found: Agent[] = [];
  for (let after: string | undefined; ; ) {
    const { states, next } = await readPage(reader, agentKind, value, { after, limit: PAGE });
    for (const agent of states.values()) if (matches(agent, wanted)) found.push(agent);
    if (found.length >= limit || next === undefined) return choose(found, limit);
    after = next;
  }
};

const mostSelective = ({ capability, domain, name }: Wanted): string => {
  if (domain !== undefined && name !== undefined) return roleLookup(domain, name);
  if (capability !== undefined) return capabilityLookup(capability);
  return domain === undefined ? agentKind.kind : domainLookup(domain);
};

/** Lookups lag behind the state, so all is asked of the state again. */
export const matches = (agent: Agent, { capability, domain, name, zone, healthy }: Wanted): boolean =>
  agent.lifecycle !== 'terminated' &&
  (capability === undefined || agent.profile.capabilities.includes(capability)) &&
  (domain === undefined || agent.profile.domain === domain) &&
  (name === undefined || agent.profile.name === name) &&
  (zone === undefined || agent.profile.zone === zone) &&
  (healthy === undefined || isHealthy(agent) === healthy);

/** The healthy first, the least loaded of them first; at most `limit`. */
export const choose = (agents: readonly Agent[], limit: number): Agent[] => [...agents].sort(byHealthThenLoad).slice(0, limit);

const byHealthThenLoad = (a: Agent, b: Agent): number =>
  Number(isHealthy(b)) - Number(isHealthy(a)) || a.load - b.load || (a.profile.agent_id < b.profile.agent_id ? -1 : 1);
