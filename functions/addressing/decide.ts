/**
 * `agents.<domain>.<name>.<action>`: a request to a role goes to one of its healthy instances, which answers the requester
 * itself. It gets the bytes as they came on `agent.<id>.cmd.execute`, where every agent listens anyway, with the action in the
 * header `X-Action`.
 *
 * Agents that subscribe to their role's subject, as document 003 has it, are balanced by their queue group. They are left
 * alone: an instance is chosen only where it says `addressed: true` in its metadata.
 */
import { createHash } from 'node:crypto';
import type { Headers } from '#shared/contract.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { type Answered, defineQuery } from '#shared/function/query.ts';
import { agentAction } from '#shared/messages/discovery.ts';
import type { Received } from '#shared/messages/message.ts';
import { type Agent, isHealthy } from '#shared/registry/agent.ts';
import { findAgents } from '#shared/registry/candidates.ts';
import { buildSubject, subjects } from '#shared/subjects.ts';

type Request = Received<typeof agentAction>;

/** Subjects of the registry, not roles. */
const NO_DOMAINS: ReadonlySet<string> = new Set(['discovery', 'registry', 'hb']);
/** Of a larger role so many instances, the least loaded of those that were read, are chosen among. */
const MAX_INSTANCES = 200;
/** Loads that differ by less count as the same, for they are known a few seconds late. */
const SAME_LOAD = 0.1;

/** Undefined: it is none of the roles. */
export const choose = (instances: readonly Agent[], request: Request): Agent | undefined => {
  const healthy = instances.filter(isHealthy);
  const least = Math.min(...healthy.map(({ load }) => load));
  const equals = healthy.filter(({ load }) => load < least + SAME_LOAD);
  // The inbox is the request's own, so requests spread without a turn to keep.
  const hash = createHash('sha256').update(`${request.reply}|${request.sentAt}|${request.body.data}`).digest();
  return equals[hash.readUInt32BE() % Math.max(1, equals.length)];
};

/** The server's own are not handed on. */
const handedOn = (headers: Headers): Headers => Object.fromEntries(Object.entries(headers).filter(([name]) => !/^nats-/i.test(name)));

export const answer = (instances: readonly Agent[], request: Request): Answered => {
  const { domain, name, action } = request.params;
  if (NO_DOMAINS.has(domain)) return { forward: [] };
  if (instances.length === 0)
    return {
      error: { code: 'not_found', message: `no agent named ${name} is registered in domain ${domain}: agents.discovery.find shows who is` },
    };
  const addressed = instances.filter(({ profile }) => profile.metadata.addressed === true);
  if (addressed.length === 0) return { forward: [] };
  const chosen = choose(addressed, request);
  if (!chosen)
    return {
      error: {
        code: 'unavailable',
        message: `none of the ${addressed.length} agents named ${name} in domain ${domain} is healthy now: try again`,
      },
    };
  const subject = buildSubject(subjects.commandExecute, { agent_id: chosen.profile.agent_id });
  const headers = { ...handedOn(request.headers), 'X-Action': [action] };
  return { forward: [{ subject, raw: request.body, headers, ...(request.reply !== undefined && { reply: request.reply }) }] };
};

/** The healthy, and others only to say why there are none: a role may have had many instances that are gone. */
const instancesOf = async (role: { domain: string; name: string }, reader: Reader): Promise<Agent[]> => {
  const healthy = await findAgents(reader, { ...role, healthy: true }, MAX_INSTANCES);
  return healthy.length > 0 ? healthy : findAgents(reader, role, MAX_INSTANCES);
};

export const address = defineQuery({
  message: agentAction,
  read: ({ params: { domain, name } }, reader) => (NO_DOMAINS.has(domain) ? Promise.resolve([]) : instancesOf({ domain, name }, reader)),
  answer,
});
