/** What the registry knows of an agent, for whoever reads it (`Reader`, `findAgents`). Only agent-registry writes it. Pure. */
import * as z from 'zod';
import type { Child } from '#shared/entity/entity.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { isInService, isMember, LIFECYCLES } from './lifecycle.ts';

/** How an agent introduces itself, in the words of the wire. An agent_id is one instance of a name. */
export const profileSchema = z.object({
  agent_id: z.string(),
  domain: z.string().optional(),
  name: z.string().optional(),
  instance_id: z.string().optional(),
  version: z.string().optional(),
  capabilities: z.array(z.string()),
  zone: z.string().optional(),
  max_concurrent_tasks: z.number().optional(),
  supervisor: z.string().optional(),
  metadata: z.record(z.string(), z.unknown()),
});

const agentSchema = z.object({
  profile: profileSchema,
  lifecycle: z.enum(LIFECYCLES),
  /** Since when, epoch ms. */
  since: z.number(),
  /** Why it is there, where that needs saying. */
  reason: z.string().optional(),
  /** Of one that drains: when it is taken for gone, epoch ms. */
  drainUntil: z.number().optional(),
  /** When it last gave a sign of life, epoch ms, at most 200 s too old; null: never in this incarnation. */
  lastSeen: z.number().nullable(),
  /** false: the health monitor misses it. */
  responsive: z.boolean(),
  /** What it says of itself. */
  status: z.enum(['ready', 'busy', 'paused', 'error']),
  load: z.number(),
  activeTasks: z.number(),
});

export type Profile = z.infer<typeof profileSchema>;
export type Agent = z.infer<typeof agentSchema>;

const KEEP_TERMINATED_MS = 8 * 24 * 3_600_000;

export const agentKind: Kind<Agent> = {
  kind: 'agent',
  schema: agentSchema,
  version: 1,
  // A day longer than the stream of lifecycle events remembers.
  expiresAt: (agent) => (agent.lifecycle === 'terminated' ? agent.since + KEEP_TERMINATED_MS : undefined),
  lookup: (agent) => (agent.lifecycle === 'terminated' ? undefined : 'agent'),
};

/** Whether work may be given to it. */
export const isHealthy = (agent: Agent): boolean =>
  agent.lifecycle === 'active' && agent.responsive && (agent.status === 'ready' || agent.status === 'busy');

/** The domain in which it has a place. */
export const domainOf = (agent: Agent | undefined): string | undefined =>
  agent && isMember(agent.lifecycle) ? agent.profile.domain : undefined;

/** Its status as the bucket AGENT_STATE shows it; undefined: it is not in there. */
export const bucketStatus = (agent: Agent): Agent['status'] | undefined => {
  if (!isInService(agent.lifecycle)) return undefined;
  if (agent.lifecycle === 'suspended') return 'paused';
  // It takes no new work.
  return agent.lifecycle === 'draining' ? 'busy' : agent.status;
};

export const capabilityLookup = (capability: string): string => `agent.capability=${capability}`;
/** Agents of a role: `agents.<domain>.<name>.<action>` is for one of them. */
export const roleLookup = (domain: string, name: string): string => `agent.role=${domain}.${name}`;
export const domainLookup = (domain: string): string => `agent.domain=${domain}`;

/** The children by which it is found. */
export const lookupChildren = (agent: Agent | undefined): Child[] => {
  if (!agent || !isMember(agent.lifecycle)) return [];
  const { domain, name, capabilities } = agent.profile;
  const places = domain === undefined ? [] : [domainLookup(domain), ...(name === undefined ? [] : [roleLookup(domain, name)])];
  const values = [...places, ...new Set(capabilities.map(capabilityLookup))];
  return values.map((lookup) => ({ name: `lookup/${lookup}`, data: {}, lookup }));
};

/** An agent as discovery answers it. */
export const toWire = (agent: Agent) => ({
  ...agent.profile,
  state: agent.lifecycle,
  since: new Date(agent.since).toISOString(),
  ...(agent.reason !== undefined && { reason: agent.reason }),
  healthy: isHealthy(agent),
  status: bucketStatus(agent) ?? agent.status,
  current_load: agent.load,
  active_tasks: agent.activeTasks,
  last_seen: agent.lastSeen === null ? null : new Date(agent.lastSeen).toISOString(),
});
