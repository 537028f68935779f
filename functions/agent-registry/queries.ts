/** `agents.discovery.resolve` and `find`: answered from the table, without changing anything. */
import { showQuery } from '#shared/function/entity-query.ts';
import { defineQuery } from '#shared/function/query.ts';
import { discoveryFind, discoveryResolve } from '#shared/messages/discovery.ts';
import { type Agent, agentKind, toWire } from '#shared/registry/agent.ts';
import { findAgents } from '#shared/registry/candidates.ts';

const DEFAULT_LIMIT = 100;
/** An agent is about 500 bytes in the answer, which has to fit a message. */
const MAX_LIMIT = 1000;

export const resolve = showQuery({
  message: discoveryResolve,
  kind: agentKind,
  id: ({ body }) => body.agent_id,
  body: (_, agent) => ({ agent: toWire(agent) }),
  missing: (id) => `no agent ${id} is known: it sends agent.<id>.created first`,
});

export const find = defineQuery({
  message: discoveryFind,
  read: ({ body: { capability, domain, zone, healthy, limit = DEFAULT_LIMIT } }, reader) =>
    findAgents(reader, { capability, domain, zone, healthy }, Math.min(limit, MAX_LIMIT)),
  answer: (agents: Agent[]) => ({ body: { agents: agents.map(toWire) } }),
});
