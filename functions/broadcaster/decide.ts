/**
 * One event to everybody in a scope, at most once. An emergency has a subject, lanes and an owner of its own, and reads and
 * writes nothing, so that nothing is ever ahead of it: no other broadcast, no command, not the table.
 */
import type { Output } from '#shared/entity/entity.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { type Answered, defineQuery } from '#shared/function/query.ts';
import { broadcastDomain, broadcastEmergency, broadcastGlobal } from '#shared/messages/broadcast.ts';
import { controlBroadcastEmergency, controlBroadcastSend } from '#shared/messages/control-coordination.ts';
import { output, type Received } from '#shared/messages/message.ts';
import type { Opaque } from '#shared/messages/opaque.ts';
import { findAgents } from '#shared/registry/candidates.ts';

type Sent = Received<typeof controlBroadcastSend>;
type Emergency = Received<typeof controlBroadcastEmergency>;

/** Agents that are looked at for their domains. */
const MAX_AGENTS = 10_000;

const bytes = (payload: unknown): Opaque => ({ data: payload === undefined ? '' : JSON.stringify(payload), encoding: 'utf8' });
const from = (by: string | undefined) => (by === undefined ? undefined : { 'X-Agent-ID': [by] });

const told = (publish: Output[]): Answered => ({ body: { subjects: publish.map(({ subject }) => subject) }, publish });

const readDomains = async ({ body: { domain, capability } }: Sent, reader: Reader): Promise<string[]> => {
  if (capability === undefined) return domain === undefined ? [] : [domain];
  const agents = await findAgents(reader, { capability }, MAX_AGENTS);
  return [...new Set(agents.flatMap(({ profile }) => profile.domain ?? []))].sort();
};

export const broadcast = (domains: readonly string[], { body }: Sent): Answered => {
  const { scope, event, payload, by, capability } = body;
  if (scope === 'global') return told([output(broadcastGlobal, { event }, bytes(payload), from(by))]);
  if (domains.length === 0) return { error: { code: 'not_found', message: `no domain has an agent that can ${capability}` } };
  return told(domains.map((domain) => output(broadcastDomain, { domain, event }, bytes(payload), from(by))));
};

export const alarm = ({ body: { event, payload, by } }: Emergency): Answered =>
  told([output(broadcastEmergency, { event }, bytes(payload), from(by))]);

export const send = defineQuery({ message: controlBroadcastSend, read: readDomains, answer: broadcast });

export const emergency = defineQuery({
  message: controlBroadcastEmergency,
  read: async () => undefined,
  answer: (_: undefined, request) => alarm(request),
});
