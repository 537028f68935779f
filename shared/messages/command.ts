/** Commands to one agent, and its answers where it was not asked by request/reply. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { id, time } from './fields.ts';
import { defineMessage } from './message.ts';
import { opaque, opaqueValue, orEmpty } from './opaque.ts';

const commandBody = z.looseObject({
  /** Names the command when it is sent again until it is answered. */
  command_id: id.optional(),
  reason: z.string().optional(),
});
export type Command = z.infer<typeof commandBody>;

const executeBody = commandBody.extend({ task_id: id.optional(), payload: z.unknown() });
export type CommandExecute = z.infer<typeof executeBody>;

export const commandExecute = defineMessage({
  name: 'commandExecute',
  subject: subjects.commandExecute,
  by: 'request',
  body: executeBody,
  raw: (raw) => (raw.data === '' ? {} : { payload: opaqueValue(raw) }),
});

export const commandPause = defineMessage({
  name: 'commandPause',
  subject: subjects.commandPause,
  by: 'request',
  body: commandBody,
  raw: orEmpty,
});

export const commandResume = defineMessage({
  name: 'commandResume',
  subject: subjects.commandResume,
  by: 'request',
  body: commandBody,
  raw: orEmpty,
});

/** `deadline`: until when the agent may finish what it has in hand. */
const shutdownBody = commandBody.extend({ deadline: time.optional() });
export type CommandShutdown = z.infer<typeof shutdownBody>;

export const commandShutdown = defineMessage({
  name: 'commandShutdown',
  subject: subjects.commandShutdown,
  by: 'request',
  body: shutdownBody,
  raw: orEmpty,
});

export const commandConfig = defineMessage({
  name: 'commandConfig',
  subject: subjects.commandConfig,
  by: 'request',
  body: commandBody,
});

export const commandStatus = defineMessage({
  name: 'commandStatus',
  subject: subjects.commandStatus,
  by: 'request',
  body: commandBody,
  raw: orEmpty,
});

/** The answer at the reply subject of a command that was sent to many: to its target number `<index>`. */
export const commandAnswer = defineMessage({
  name: 'commandAnswer',
  subject: subjects.commandAnswer,
  by: 'core',
  body: opaque,
});

/** The answer to a command (`<request>` is its verb) or to a task (its id). */
export const agentResponse = defineMessage({
  name: 'agentResponse',
  subject: subjects.agentResponse,
  by: 'core',
  body: opaque,
});
