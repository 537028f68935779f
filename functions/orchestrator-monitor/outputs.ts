/** What the monitor says: on the bus in the name of whoever asked, to people, and to the supervisor of who is blocked. Pure. */
import type { Context, Output } from '#shared/entity/entity.ts';
import { iso } from '#shared/iso.ts';
import { raise } from '#shared/messages/alert.ts';
import { output } from '#shared/messages/message.ts';
import { orchestratorAgent } from '#shared/messages/orchestrator.ts';
import { escalation } from '#shared/messages/supervision.ts';
import type { Request, Work } from './colleague.ts';

export const SOURCE = 'orchestrator-monitor';

type Ids = Pick<Context, 'id' | 'now' | 'newId'>;

const about = ({ type, content }: Request): string => {
  const text = typeof content === 'string' ? content : (JSON.stringify(content) ?? '');
  return `${type}${text === '' ? '' : `: ${text.slice(0, 200)}`}`;
};

/** The same message to another one, so that its answer goes to who asked. */
export const forwarded = (request: Request, to: string, { id, now }: Ids): Output =>
  output(
    orchestratorAgent,
    { to_agent: to, message_type: request.type },
    {
      from_agent: id,
      to_agent: to,
      message_type: request.type,
      content: request.content,
      timestamp: iso(now),
      correlation_id: request.correlated ? request.id : null,
    },
  );

/** The answer that the monitor knows itself: somebody has said that it is done. */
export const known = (request: Request, topic: string, by: string, work: Work, { id, now }: Ids): Output => {
  const message_type = request.type === 'resource_request' ? ('resource_response' as const) : ('answer' as const);
  const content = { resource: topic, status: 'ready', by, said: work.content, said_at: iso(work.at) };
  return output(
    orchestratorAgent,
    { to_agent: id, message_type },
    {
      from_agent: SOURCE,
      to_agent: id,
      message_type,
      content,
      timestamp: iso(now),
      correlation_id: request.correlated ? request.id : null,
    },
  );
};

export const unanswered = (request: Request, { id, newId }: Ids): Output =>
  raise({
    alert_id: newId(`unanswered ${request.id}`),
    severity: 'medium',
    source: SOURCE,
    group: `unanswered ${request.type}`,
    summary: `nobody answered agent ${id}, asked ${[request.to ?? 'everybody', ...request.forwarded].join(', ')}: ${about(request)}`,
    agent_ids: [id],
    first_seen: iso(request.askedAt),
    count: 1,
  });

export const blocked = (request: Request, supervisor: string | undefined, { id }: Ids): Output =>
  output(
    escalation,
    { escalation_level: '1' },
    {
      type: 'escalation',
      agent_id: id,
      escalation_level: 1,
      ...(supervisor !== undefined && { supervisor_id: supervisor }),
      escalation_reason: `agent ${id} is blocked and nobody resolves it: ${about(request)}`,
    },
  );

export const taskFailed = (summary: string, at: number, { id, newId }: Ids): Output =>
  raise({
    alert_id: newId('task failed'),
    severity: 'low',
    source: SOURCE,
    group: `task failed ${id}`,
    summary: `a task of agent ${id} failed: ${summary}`,
    agent_ids: [id],
    first_seen: iso(at),
    count: 1,
  });
