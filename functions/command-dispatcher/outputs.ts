/** What the dispatcher says: the command to each target, what an answer means for the registry, and the whole to the requester. Pure. */
import type { Output } from '#shared/entity/entity.ts';
import { commandConfig, commandExecute, commandPause, commandResume, commandShutdown, commandStatus } from '#shared/messages/command.ts';
import { healthCheck } from '#shared/messages/health-check.ts';
import { agentDraining, agentResumed, agentSuspended } from '#shared/messages/lifecycle.ts';
import { output } from '#shared/messages/message.ts';
import { isObject } from '#shared/messages/opaque.ts';
import { buildSubject, subjects } from '#shared/subjects.ts';
import { type Command, divided, pagesOf, type Said } from './command.ts';

const MESSAGES = {
  execute: commandExecute,
  pause: commandPause,
  resume: commandResume,
  shutdown: commandShutdown,
  config: commandConfig,
  status: commandStatus,
  health: healthCheck,
} as const;

/** To the target with this number. Its reply subject says which answer it is. */
export const toTarget = ({ verb, body }: Command, command_id: string, n: number, agent_id: string): Output => ({
  ...output(MESSAGES[verb], { agent_id }, verb === 'health' ? body : { ...body, command_id }),
  reply: buildSubject(subjects.commandAnswer, { command_id, index: String(n), agent_id }),
});

const refused = ({ response, error }: Said): boolean =>
  error !== undefined || (isObject(response) && (response.status === 'failed' || response.error != null));

/** What the registry is told of an agent that does as it is told. */
export const effects = ({ verb, body }: Command, command_id: string, agent_id: string, said: Said): Output[] => {
  if (refused(said)) return [];
  switch (verb) {
    case 'pause':
      return [output(agentSuspended, { agent_id }, { agent_id, command_id })];
    case 'resume':
      return [output(agentResumed, { agent_id }, { agent_id, command_id })];
    case 'shutdown': {
      const { deadline } = body;
      return [output(agentDraining, { agent_id }, { agent_id, command_id, ...(typeof deadline === 'string' && { deadline }) })];
    }
    case 'execute':
    case 'config':
    case 'status':
    case 'health':
      return [];
    default:
      throw verb satisfies never;
  }
};

const reportOf = (agent_id: string, said: Said) => {
  const { response, ...rest } = said;
  return isObject(response) ? { ...response, agent_id, ...rest } : { agent_id, ...said };
};

/** A page of the targets, as the requester and `control.command.show` get it. `more`: answers that are children, by number. */
export const pageToWire = (command: Command, page: number, ids: readonly string[], more: ReadonlyMap<number, Said> = new Map()) => {
  const { answered, missing } = divided(command, page, ids);
  const said = answered.map(({ id, n }) => ({ id, said: command.said[n] ?? more.get(n) ?? {} }));
  return command.verb === 'health'
    ? { agents: said.map(({ id, said }) => reportOf(id, said)), missing }
    : { answered: said.map(({ id, said }) => ({ agent_id: id, ...said })), missing };
};

export const summary = (command: Command, command_id: string) => ({
  command_id,
  command: command.verb,
  status: command.closedAt === undefined ? 'open' : command.count === command.size ? 'complete' : 'timed_out',
  counts: { targets: command.size, answered: command.count, missing: command.size - command.count },
});

/** The whole where it is one page; else who asks for the pages gets them. */
export const answerOf = (command: Command, command_id: string) => ({
  ...summary(command, command_id),
  ...(command.size <= command.targets.length ? pageToWire(command, 0, command.targets) : { pages: pagesOf(command.size) }),
});
