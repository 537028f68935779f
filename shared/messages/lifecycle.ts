/** An agent's life: what it says of itself when it is created, starts, is ready, stops, fails, and every 30 s between. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, count, id, time } from './fields.ts';
import { defineMessage } from './message.ts';
import { orEmpty } from './opaque.ts';

/** Who an agent is and what it can do. All but the id may be left out, and said later. */
export const agentFields = z.looseObject({
  agent_id: id,
  domain: id.optional(),
  name: id.optional(),
  instance_id: id.optional(),
  version: z.string().optional(),
  capabilities: z.array(z.string()).optional(),
  zone: z.string().optional(),
  max_concurrent_tasks: atLeastOne.optional(),
  supervisor: id.optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
});
export type AgentFields = z.infer<typeof agentFields>;

export const agentCreated = defineMessage({
  name: 'agentCreated',
  subject: subjects.agentCreated,
  by: 'AGENT_LIFECYCLE',
  body: agentFields,
  raw: orEmpty,
});

export const agentStarted = defineMessage({
  name: 'agentStarted',
  subject: subjects.agentStarted,
  by: 'AGENT_LIFECYCLE',
  body: agentFields,
  raw: orEmpty,
});

const readyBody = agentFields.extend({ current_load: z.number().min(0).optional(), active_tasks: count.optional() });
export type AgentReady = z.infer<typeof readyBody>;

export const agentReady = defineMessage({
  name: 'agentReady',
  subject: subjects.agentReady,
  by: 'AGENT_LIFECYCLE',
  body: readyBody,
  raw: orEmpty,
});

const stoppedBody = agentFields.extend({ reason: z.string().optional() });
export type AgentStopped = z.infer<typeof stoppedBody>;

export const agentStopped = defineMessage({
  name: 'agentStopped',
  subject: subjects.agentStopped,
  by: 'AGENT_LIFECYCLE',
  body: stoppedBody,
  raw: orEmpty,
});

const errorBody = agentFields.extend({ error: z.unknown().optional() });
export type AgentError = z.infer<typeof errorBody>;

export const agentError = defineMessage({
  name: 'agentError',
  subject: subjects.agentError,
  by: 'AGENT_LIFECYCLE',
  body: errorBody,
  raw: orEmpty,
});

/** What the agent would want to know after a restart: it is handed to whoever restarts it. The last one counts. */
export const agentSnapshot = defineMessage({
  name: 'agentSnapshot',
  subject: subjects.agentSnapshot,
  by: 'AGENT_LIFECYCLE',
  body: z.looseObject({ agent_id: id, snapshot: z.unknown() }),
});

const commandedBody = z.looseObject({ agent_id: id, command_id: id.optional() });

/** It answered `cmd.pause`, `cmd.resume`, `cmd.shutdown`: told by whoever sent the command. */
export const agentSuspended = defineMessage({
  name: 'agentSuspended',
  subject: subjects.agentSuspended,
  by: 'AGENT_LIFECYCLE',
  body: commandedBody,
  raw: orEmpty,
});

export const agentResumed = defineMessage({
  name: 'agentResumed',
  subject: subjects.agentResumed,
  by: 'AGENT_LIFECYCLE',
  body: commandedBody,
  raw: orEmpty,
});

/** `deadline`: when it is taken for gone, whether it has stopped or not. */
export const agentDraining = defineMessage({
  name: 'agentDraining',
  subject: subjects.agentDraining,
  by: 'AGENT_LIFECYCLE',
  body: commandedBody.extend({ deadline: time.optional() }),
  raw: orEmpty,
});

const heartbeatBody = z.looseObject({
  agent_id: id,
  status: z.enum(['ready', 'busy', 'paused', 'error']).optional(),
  /** 0: idle, 1: all it can do. */
  current_load: z.number().min(0).optional(),
  active_tasks: count.optional(),
  metrics: z.record(z.string(), z.unknown()).optional(),
  timestamp: time.optional(),
});
export type AgentHeartbeat = z.infer<typeof heartbeatBody>;

export const agentHeartbeat = defineMessage({
  name: 'agentHeartbeat',
  subject: subjects.agentHeartbeat,
  by: 'core',
  body: heartbeatBody,
  raw: orEmpty,
});

const sessionHeartbeatBody = z.looseObject({
  agent: id,
  owner: id,
  session: id,
  instance_id: z.string().optional(),
  ts: time.optional(),
  interval_s: z.number().positive().optional(),
});
export type SessionHeartbeat = z.infer<typeof sessionHeartbeatBody>;

/** Synadia Agent Protocol 0.3. */
export const sessionHeartbeat = defineMessage({
  name: 'sessionHeartbeat',
  subject: subjects.sessionHeartbeat,
  by: 'core',
  body: sessionHeartbeatBody,
  raw: orEmpty,
});

/** The id under which a session of that protocol is an agent here. */
export const sessionAgentId = ({ agent, owner, session }: Pick<SessionHeartbeat, 'agent' | 'owner' | 'session'>): string =>
  `${agent}-${owner}-${session}`;
