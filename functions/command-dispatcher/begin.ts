/** The first request of a command: its targets are known from now on, and the first of them are sent to. Pure. */
import { type Decision, done } from '#shared/entity/entity.ts';
import { headerOf } from '#shared/messages/headers.ts';
import { type Command, childrenExpire, MAX_TARGETS, noBits, PAGE, pageOf, targetsName } from './command.ts';
import { answerOf } from './outputs.ts';
import { askedBy, definitionOf, type Request } from './request.ts';
import { type CommandContext, send } from './send.ts';

const MAX_BODY_BYTES = 65_536;
/** An answer has to arrive before its requester leaves. */
const MARGIN_MS = 300;

export const refuse = (code: string, message: string): Decision<Command> => done({ reply: { error: { code, message } } });

export const begin = (request: Request, context: CommandContext): Decision<Command> => {
  const asked = askedBy(request);
  if (!asked)
    return refuse(
      'invalid_command',
      'it names no agent, or asks for what no agent does of itself: say agent_id, and stop, status or input',
    );
  const { id, now, view, settings } = context;
  const ids = view.resolved.get(id) ?? [];
  if (ids.length > MAX_TARGETS) return refuse('too_many', `command ${id} is for more than ${MAX_TARGETS} agents: send it by domain`);
  if (Buffer.byteLength(JSON.stringify(asked.body)) > MAX_BODY_BYTES)
    return refuse(
      'invalid_payload',
      `the payload of command ${id} has more than ${MAX_BODY_BYTES} bytes: store it elsewhere and send a reference`,
    );
  if (ids.length === 0 && asked.verb !== 'health')
    return refuse('not_found', 'no agent is registered that the command is for: agents.discovery.find shows who is');
  const command: Command = {
    verb: asked.verb,
    asked: definitionOf(asked),
    body: asked.body,
    ...(asked.by !== undefined && { by: asked.by }),
    ...(request.reply !== undefined && { reply: request.reply }),
    startedAt: now,
    deadline: Math.max(now + 1, Math.min(now + (asked.timeoutMs ?? settings.timeoutMs), waitsUntil(request) - MARGIN_MS)),
    size: ids.length,
    targets: ids.slice(0, PAGE),
    answered: noBits(ids.length),
    count: 0,
    said: {},
    saidBytes: 0,
    round: 0,
    next: 0,
  };
  if (command.size === 0) return done({ reply: { body: answerOf({ ...command, closedAt: now }, id) } });
  const pages = Array.from({ length: pageOf(ids.length - 1) }, (_, n) => n + 1);
  const children = pages.map((page) => ({
    name: targetsName(page),
    data: ids.slice(page * PAGE, (page + 1) * PAGE),
    expiresAt: childrenExpire(command),
  }));
  return done({ ...send(command, context), children });
};

const waitsUntil = ({ headers }: Request): number => {
  const time = Date.parse(headerOf(headers, 'X-Deadline') ?? '');
  return Number.isNaN(time) ? Infinity : time;
};
