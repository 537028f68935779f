/** What the registry says. Pure. */
import type { Context, Output } from '#shared/entity/entity.ts';
import { iso } from '#shared/iso.ts';
import { alert } from '#shared/messages/alert.ts';
import { output } from '#shared/messages/message.ts';
import { type Agent, bucketStatus } from '#shared/registry/agent.ts';
import type { LifecycleEvent } from '#shared/registry/lifecycle.ts';
import { buildSubject, internalSubjects } from '#shared/subjects.ts';

const SOURCE = 'agent-registry';

type Ids = Pick<Context, 'id' | 'now' | 'newId'>;

const raise = (severity: 'low' | 'medium', summary: string, { id, now, newId }: Ids): Output =>
  output(
    alert,
    { severity },
    { alert_id: newId('alert'), severity, source: SOURCE, summary, agent_ids: [id], first_seen: iso(now), count: 1 },
  );

export const illegalTransition = (agent: Agent, event: LifecycleEvent, ids: Ids): Output =>
  raise('low', `agent ${ids.id} is ${agent.lifecycle}: "${event}" is refused there and its state stays`, ids);

export const domainIsFull = (domain: string, limit: number, ids: Ids): Output =>
  raise('medium', `agent ${ids.id} is refused: domain ${domain} has its ${limit} agents; stop one of them or raise DOMAIN_LIMITS`, ids);

/** The agent's entry in the bucket AGENT_STATE: put, or deleted where it is not to be shown. */
export const mirrored = (agent: Agent): Output => {
  const { agent_id, capabilities, metadata } = agent.profile;
  const subject = buildSubject(internalSubjects.agentState, { agent_id });
  const status = bucketStatus(agent);
  if (!status) return { subject, raw: { data: '', encoding: 'utf8' }, headers: { 'KV-Operation': ['DEL'] } };
  const last_heartbeat = iso(agent.lastSeen ?? agent.since);
  return { subject, body: { agent_id, status, capabilities, current_load: agent.load, last_heartbeat, metadata } };
};
