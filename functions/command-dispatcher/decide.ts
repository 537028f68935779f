/**
 * Commands to many: a wildcard publish would reach nobody. The targets are resolved once; each is sent the command, and again,
 * slower and slower, until it answered at the reply subject that it was given, up to the deadline. Then the requester gets who
 * answered what and who is missing, once, at the inbox that it waits at. A large fan-out is sent a page at a time, by alarms.
 */
import { type Alarm, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import { agentResponse, commandAnswer } from '#shared/messages/command.ts';
import { controlCommandSend, controlHealthCheck } from '#shared/messages/control-coordination.ts';
import { healthCheckAll } from '#shared/messages/health-check.ts';
import type { Received } from '#shared/messages/message.ts';
import { isObject, opaqueValue } from '#shared/messages/opaque.ts';
import { agentCommand, systemControl } from '#shared/messages/phase2.ts';
import { isToken } from '#shared/subjects.ts';
import { begin, refuse } from './begin.ts';
import { type Answer, collect } from './collect.ts';
import { type Command, commandKind, isUnsent } from './command.ts';
import { answerOf } from './outputs.ts';
import { askedBy, commandIdOf, definitionOf, type Request } from './request.ts';
import { type CommandContext, send } from './send.ts';
import { readView } from './targets.ts';

type Event = Request | Answer | Alarm;

export const decide = (command: Command | undefined, event: Event, context: CommandContext): Decision<Command> => {
  switch (event.message) {
    case 'commandAnswer':
    case 'agentResponse':
      return command ? collect(command, event, context) : done();
    case 'alarm':
      return command ? wake(command, context) : done({ wakeAt: null });
    case 'controlCommandSend':
    case 'controlHealthCheck':
    case 'healthCheckAll':
    case 'agentCommand':
    case 'systemControl':
      return command ? again(command, event, context) : begin(event, context);
    default:
      throw event satisfies never;
  }
};

/** Somebody asks again for what is under way, or is over. */
const again = (command: Command, request: Request, { id }: CommandContext): Decision<Command> => {
  const asked = askedBy(request);
  if (!asked || definitionOf(asked) !== (command.asked ?? definitionOf(asked)))
    return refuse('invalid_command_id', `command ${id} is another one, of ${command.verb}: give this one a command_id of its own`);
  if (command.closedAt !== undefined) return done({ reply: { body: answerOf(command, id) } });
  return request.reply === undefined ? done() : done({ state: { ...command, reply: request.reply } });
};

const wake = (command: Command, context: CommandContext): Decision<Command> => {
  const { id, now, wakeAt } = context;
  const isClosed = command.closedAt !== undefined;
  if (isClosed && !isUnsent(command)) return done({ wakeAt: null });
  if (!isClosed && now >= command.deadline) {
    const { reply, ...rest } = command;
    const state = { ...rest, closedAt: now };
    const wakeAt = isUnsent(command) ? now : null;
    return done({ state, wakeAt, ...(reply !== undefined && { publish: [{ subject: reply, body: answerOf(state, id) }] }) });
  }
  return wakeAt === null || now < wakeAt ? done() : done(send(command, context));
};

/** Of an answer that does not come at its reply subject: what it says. */
const echoedId = ({ body }: Received<typeof agentResponse>): string => {
  const said = opaqueValue(body);
  return isObject(said) && typeof said.command_id === 'string' && isToken(said.command_id) ? said.command_id : 'unknown';
};

const idOfEvent = (event: Request | Answer): string => {
  if (event.message === 'commandAnswer') return event.params.command_id;
  return event.message === 'agentResponse' ? echoedId(event) : commandIdOf(event);
};

export const commands = defineEntity({
  of: commandKind,
  accepts: [controlCommandSend, controlHealthCheck, healthCheckAll, agentCommand, systemControl, commandAnswer, agentResponse],
  id: idOfEvent,
  decide,
  read: readView,
});
