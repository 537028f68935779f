/** Finding agents: by id, by what they can do, and by role. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, id } from './fields.ts';
import { agentFields } from './lifecycle.ts';
import { defineMessage } from './message.ts';
import { isObject, opaque, opaqueValue, orEmpty, type RawBody } from './opaque.ts';

const resolveBody = z.looseObject({ agent_id: id });
export type DiscoveryResolve = z.infer<typeof resolveBody>;

export const discoveryResolve = defineMessage({
  name: 'discoveryResolve',
  subject: subjects.discoveryResolve,
  by: 'request',
  body: resolveBody,
});

const findBody = z.looseObject({
  capability: z.string().optional(),
  healthy: z.boolean().optional(),
  domain: z.string().optional(),
  zone: z.string().optional(),
  limit: atLeastOne.optional(),
});
export type DiscoveryFind = z.infer<typeof findBody>;

export const discoveryFind = defineMessage({
  name: 'discoveryFind',
  subject: subjects.discoveryFind,
  by: 'request',
  body: findBody,
  raw: orEmpty,
});

/** Rust agents announce their identity alone: a string, or domain, name, instance and version. */
const announced = (raw: RawBody): unknown => {
  const value = opaqueValue(raw);
  if (typeof value === 'string') return { agent_id: value };
  return isObject(value) && value.agent_id === undefined && value.instance_id !== undefined
    ? { ...value, agent_id: value.instance_id }
    : undefined;
};

export const agentAvailable = defineMessage({
  name: 'agentAvailable',
  subject: subjects.agentAvailable,
  by: 'core',
  body: agentFields,
  raw: announced,
});

/** A request to a role, answered by one of its healthy instances. */
export const agentAction = defineMessage({
  name: 'agentAction',
  subject: subjects.agentAction,
  by: 'request',
  body: opaque,
});
