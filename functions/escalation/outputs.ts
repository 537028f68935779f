/** What an escalation says, and to whom. Pure. */
import type { Context, Output } from '#shared/entity/entity.ts';
import { raise } from '#shared/messages/alert.ts';
import type { Severity } from '#shared/messages/fields.ts';
import { output } from '#shared/messages/message.ts';
import { escalation } from '#shared/messages/supervision.ts';
import { supervisorEvent } from '#shared/messages/supervisor.ts';
import { type Case, PEOPLE } from './case.ts';

const SOURCE = 'escalation';

type Ids = Pick<Context, 'id' | 'now' | 'newId'>;

/** Whom it is with. */
const holderOf = ({ asked }: Case): string => asked.at(-1) ?? 'people';

/** To whom the case is with; at the last level to people, too. `deadline`: epoch ms, null: none. */
export const handedTo = (one: Case, deadline: number | null, ids: Ids): Output[] => {
  const supervisor_id = holderOf(one);
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

export const passedUp = (one: Case, reason: string, { id }: Ids): Output =>
  output(
    escalation,
    { escalation_level: String(one.level) },
    {
      type: 'escalation',
      agent_id: id,
      ...(one.failures.length > 0 && { original_failure: one.failures.at(-1) }),
      escalation_level: one.level,
      supervisor_id: holderOf(one),
      escalation_reason: reason,
    },
  );

/** Alerts of one agent's case are one group, which the case's end resolves. */
export const raised = (
  severity: Severity,
  one: Case,
  summary: string,
  { id, newId }: Ids,
  status: 'firing' | 'resolved' = 'firing',
): Output =>
  raise({
    alert_id: newId(`alert ${severity}`),
    severity,
    source: SOURCE,
    group: `escalation ${id}`,
    status,
    summary,
    agent_ids: [id],
    first_seen: new Date(one.openedAt).toISOString(),
    count: one.count,
  });
