/** An answer of a target: it counts once, and the last one ends the command. */
import { type Child, type Context, type Decision, done } from '#shared/entity/entity.ts';
import type { agentResponse, commandAnswer } from '#shared/messages/command.ts';
import { headerOf } from '#shared/messages/headers.ts';
import type { Received } from '#shared/messages/message.ts';
import { opaqueValue } from '#shared/messages/opaque.ts';
import { type Command, childrenExpire, hasAnswered, PAGE, pageOf, type Said, saidPrefix, withBit } from './command.ts';
import { answerOf, effects } from './outputs.ts';

/** Bytes of answers kept in the state: what is answered whole is made of it, and a large fan-out is written often. */
const IN_STATE_BYTES = { whole: 131_072, paged: 16_384 };
/** Of a larger answer only its size is kept. */
const MAX_ANSWER_BYTES = 65_536;

export type Answer = Received<typeof commandAnswer> | Received<typeof agentResponse>;

/** An agent that answers elsewhere than it was asked to is found among the first targets only. */
const placeOf = (command: Command, answer: Answer): number => {
  if (answer.message === 'commandAnswer') return Number(answer.params.index);
  return answer.params.request === command.verb ? command.targets.indexOf(answer.params.agent_id) : -1;
};

const saidIn = ({ body, headers }: Answer): Said => {
  const error = headerOf(headers, 'Nats-Service-Error');
  return error === undefined ? { response: opaqueValue(body) } : { error };
};

export const collect = (command: Command, answer: Answer, { id, now }: Pick<Context, 'id' | 'now'>): Decision<Command> => {
  const n = placeOf(command, answer);
  if (!(Number.isInteger(n) && n >= 0 && n < command.size) || hasAnswered(command, n)) return done();
  const said = saidIn(answer);
  const bytes = Buffer.byteLength(JSON.stringify(said));
  const fits = command.saidBytes + bytes <= IN_STATE_BYTES[command.size <= PAGE ? 'whole' : 'paged'];
  const name = `${saidPrefix(pageOf(n))}${String(n).padStart(5, '0')}`;
  const kept: Said = bytes > MAX_ANSWER_BYTES ? { bytes } : said;
  const children: Child[] = fits ? [] : [{ name, data: kept, expiresAt: childrenExpire(command) }];
  const { reply, ...before } = command;
  const counted: Command = {
    ...before,
    answered: withBit(command, n),
    count: command.count + 1,
    ...(fits && { said: { ...command.said, [n]: kept }, saidBytes: command.saidBytes + bytes }),
  };
  const publish = effects(command, id, answer.params.agent_id, said);
  // One that comes too late still says what the agent does now.
  if (counted.count < command.size || command.closedAt !== undefined)
    return done({ state: { ...counted, ...(reply !== undefined && { reply }) }, children, publish });
  const state = { ...counted, closedAt: now };
  if (reply !== undefined) publish.push({ subject: reply, body: answerOf(state, id) });
  return done({ state, children, publish, wakeAt: null });
};
