/** What is asked for, in whichever words: of `control.command.send`, of a health check, of phase 2. Pure. */
import { contentId } from '#shared/content-id.ts';
import type { CommandTargets, controlCommandSend, controlHealthCheck } from '#shared/messages/control-coordination.ts';
import { headerOf } from '#shared/messages/headers.ts';
import type { healthCheckAll } from '#shared/messages/health-check.ts';
import type { Received } from '#shared/messages/message.ts';
import { isObject } from '#shared/messages/opaque.ts';
import type { agentCommand, systemControl } from '#shared/messages/phase2.ts';
import { isToken } from '#shared/subjects.ts';
import type { Command } from './command.ts';

type Sent = Received<typeof controlCommandSend>;
type Checked = Received<typeof controlHealthCheck> | Received<typeof healthCheckAll>;
type Phase2 = Received<typeof agentCommand> | Received<typeof systemControl>;
export type Request = Sent | Checked | Phase2;

/** `timeoutMs` absent: the setting's. */
export type Asked = { verb: Command['verb']; body: Record<string, unknown>; to: CommandTargets; by?: string; timeoutMs?: number };

const HEALTH_TIMEOUT_MS = 2000;

/** Two requests are one command where they say the same `command_id`; else each is its own. */
export const commandIdOf = ({ message, body, reply, sentAt }: Request): string =>
  message === 'controlCommandSend' && body.command_id !== undefined ? body.command_id : contentId({ message, body, reply, sentAt });

/** Undefined: it names no agent, or asks for what no agent can do of itself. */
export const askedBy = (request: Request): Asked | undefined => {
  switch (request.message) {
    case 'controlCommandSend':
      return sent(request);
    case 'controlHealthCheck':
    case 'healthCheckAll':
      return { verb: 'health', body: {}, to: selected(request), timeoutMs: HEALTH_TIMEOUT_MS };
    case 'agentCommand':
    case 'systemControl':
      return phase2(request);
    default:
      throw request satisfies never;
  }
};

export const definitionOf = ({ verb, body, to }: Asked): string => contentId({ verb, body, to });

const selected = (request: Checked): CommandTargets => {
  if (request.message === 'healthCheckAll') return { all: true };
  const { domain, capability } = request.body;
  if (domain === undefined && capability === undefined) return { all: true };
  return { ...(domain !== undefined && { domain }), ...(capability !== undefined && { capability }) };
};

const sent = ({ body }: Sent): Asked => {
  const { command, to, payload, reason, deadline, timeout_ms, by } = body;
  return {
    verb: command,
    body: {
      ...(command === 'execute' || !isObject(payload) ? payload !== undefined && { payload } : payload),
      ...(reason !== undefined && { reason }),
      ...(command === 'shutdown' && deadline !== undefined && { deadline }),
    },
    to,
    by,
    ...(timeout_ms !== undefined && { timeoutMs: timeout_ms }),
  };
};

/** A spawn is its supervisor's to do, and what names no agent would be for all of them. */
const phase2 = ({ body, headers }: Phase2): Asked | undefined => {
  const { command, agent_id, ...rest } = body;
  if (typeof agent_id !== 'string' || !isToken(agent_id) || command === 'spawn') return undefined;
  const by = headerOf(headers, 'X-Agent-ID');
  const of = { to: { agent_ids: [agent_id] }, ...(by !== undefined && { by }) };
  switch (command) {
    case 'stop':
      return { ...of, verb: 'shutdown', body: {} };
    case 'status':
      return { ...of, verb: 'status', body: {} };
    case 'input':
      return { ...of, verb: 'execute', body: { payload: rest } };
    default:
      throw command satisfies never;
  }
};
