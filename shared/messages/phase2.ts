/** The two subjects of phase 2 (documents 000 and 001), kept working. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { defineMessage } from './message.ts';
import { isObject, opaqueValue, type RawBody } from './opaque.ts';
import { untag } from './serde.ts';

const commandBody = z.looseObject({ command: z.enum(['spawn', 'stop', 'status', 'input']) });
export type Phase2Command = z.infer<typeof commandBody>;

/** Rust sends `"Status"` or `{"Spawn": {...}}`. */
const tagged = (raw: RawBody): unknown => {
  const value = opaqueValue(raw);
  return isObject(value) && 'command' in value ? undefined : untag(value, 'command');
};

export const agentCommand = defineMessage({
  name: 'agentCommand',
  subject: subjects.agentCommand,
  by: 'core',
  body: commandBody,
  raw: tagged,
});

export const systemControl = defineMessage({
  name: 'systemControl',
  subject: subjects.systemControl,
  by: 'core',
  body: commandBody,
  raw: tagged,
});
