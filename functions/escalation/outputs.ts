/** What an escalation says, and to whom. Pure. */
import type { Context, Output } from '#shared/entity/entity.ts';
import { alert } from '#shared/messages/alert.ts';
import type { Severity } from '#shared/messages/fields.ts';
import { output } from '#shared/messages/message.ts';
import { escalation } from '#shared/messages/supervision.ts';
import { supervisorEvent } from '#shared/messages/supervisor.ts';
import type { Agent } from '#shared/registry/agent.ts';
import { type Case, type Level, PEOPLE } from './case.ts';

const SOURCE = 'escalation';

type Ids = Pick<Context, 'id' | 'now' | 'newId'>;

/**
 * Who is responsible at a level: the agent's supervisor, `domain-<domain>`, `root`, `people`. Where one of the first two is not
 * known, the next one up is.
 */
export const responsible = (level: Level, one: Pick<Case, 'supervisor'>, agent: Agent | undefined): string => {
  switch (level) {
    case 1:
      return agent?.profile.supervisor ?? one.supervisor ?? responsible(2, one, agent);
    case 2:
      return agent?.profile.domain === undefined ? responsible(3, one, agent) : `domain-${agent.profile.domain}`;
    case 3:
      return 'root';
    case 4:
      return 'people';
    default:
      throw level satisfies never;
  }
};

/** To whoever is responsible at the case's level; at the last one to people, too. `deadline`: epoch ms, null: none. */
export const handedTo = (one: Case, agent: Agent | undefined, deadline: number | null, ids: Ids): Output[] => {
  const supervisor_id = responsible(one.level, one, agent);
  const event = output(
    supervisorEvent,
    { supervisor_id },
    {
      type: 'supervisor_lifecycle',
      supervisor_id,
      event_type: 'escalation',
      affected_agents: [ids.id],
      case_id: one.caseId,
      escalation_level: one.level,
      escalation_reason: one.last.reason,
      ...(deadline !== null && { deadline: new Date(deadline).toISOString() }),
    },
  );
  if (one.level < PEOPLE) return [event];
  return [event, raised('critical', one, `agent ${ids.id} needs people: ${one.last.reason}`, ids)];
};

export const passedUp = (one: Case, agent: Agent | undefined, reason: string, { id }: Ids): Output =>
  output(
    escalation,
    { escalation_level: String(one.level) },
    {
      type: 'escalation',
      agent_id: id,
      ...(one.failures.length > 0 && { original_failure: one.failures.at(-1) }),
      escalation_level: one.level,
      supervisor_id: responsible(one.level, one, agent),
      escalation_reason: reason,
    },
  );

export const raised = (severity: Severity, one: Case, summary: string, { id, newId }: Ids): Output =>
  output(
    alert,
    { severity },
    {
      alert_id: newId(`alert ${severity}`),
      severity,
      source: SOURCE,
      summary,
      agent_ids: [id],
      first_seen: new Date(one.openedAt).toISOString(),
      count: one.count,
    },
  );
