/** What an operator or a coordinator asks the functions of coordination: `control.<area>.<verb>`. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, count, id, priority, time } from './fields.ts';
import { defineMessage } from './message.ts';
import { orEmpty } from './opaque.ts';
import { taskOutcome } from './task.ts';

const by = z.string().min(1).optional();
const page = { limit: atLeastOne.optional(), /** The `next` of the page before. */ after: z.string().optional() };

/** It has to fit the subjects that are made of it. */
const shortId = id.max(100);

/** Stages of one number run at the same time; the next number begins when all of them are complete. */
const plannedStage = z.looseObject({
  number: z.int().min(1).max(99),
  name: shortId,
  timeout_ms: atLeastOne.optional(),
  max_attempts: atLeastOne.optional(),
});
export type PlannedStage = z.infer<typeof plannedStage>;

const areDistinct = <T>(all: readonly T[], key: (one: T) => string): boolean => new Set(all.map(key)).size === all.length;

const workflowStartBody = z.looseObject({
  workflow_id: shortId,
  stages: z
    .array(plannedStage)
    .min(1)
    .max(100)
    .refine((stages) => areDistinct(stages, ({ number, name }) => `${number} ${name}`), {
      error: 'must not have a stage twice: give one of them another number or name',
    }),
  payload: z.unknown().optional(),
  by,
});
export type WorkflowStart = z.infer<typeof workflowStartBody>;

export const controlWorkflowStart = defineMessage({
  name: 'controlWorkflowStart',
  subject: subjects.controlWorkflowStart,
  by: 'request',
  body: workflowStartBody,
  fromHeaders: { by: 'X-Agent-ID' },
});

/** A workflow, its stages and its history. */
export const controlWorkflowShow = defineMessage({
  name: 'controlWorkflowShow',
  subject: subjects.controlWorkflowShow,
  by: 'request',
  body: z.looseObject({ workflow_id: id, /** Of the history: the `next` of the page before. */ after: z.string().optional() }),
});

export const WORKFLOW_STATUSES = ['running', 'completed', 'failed', 'cancelled'] as const;

/** Those that run, or have another status. */
export const controlWorkflowList = defineMessage({
  name: 'controlWorkflowList',
  subject: subjects.controlWorkflowList,
  by: 'request',
  body: z.looseObject({ status: z.enum(WORKFLOW_STATUSES).optional(), ...page }),
  raw: orEmpty,
});

export const controlWorkflowCancel = defineMessage({
  name: 'controlWorkflowCancel',
  subject: subjects.controlWorkflowCancel,
  by: 'request',
  body: z.looseObject({ workflow_id: id, reason: z.string().optional(), by }),
  fromHeaders: { by: 'X-Agent-ID' },
});

/** Who is to do it, as of a task, and with what. */
const deed = z.looseObject({
  capabilities: z.array(z.string()).optional(),
  zone: z.string().optional(),
  participants: z.array(id).optional(),
  priority: priority.optional(),
  payload: z.unknown().optional(),
});
export type Deed = z.infer<typeof deed>;

const sagaStep = z.looseObject({
  name: id,
  action: deed,
  /** Absent: there is nothing to undo. */
  compensation: deed.optional(),
  /** Of an attempt of either. */
  timeout_ms: atLeastOne.optional(),
  max_attempts: atLeastOne.optional(),
});
export type SagaStep = z.infer<typeof sagaStep>;

const sagaStartBody = z.looseObject({
  saga_id: shortId,
  steps: z
    .array(sagaStep)
    .min(1)
    .max(99)
    .refine((steps) => areDistinct(steps, ({ name }) => name), { error: 'must not have a name twice' }),
  by,
});
export type SagaStart = z.infer<typeof sagaStartBody>;

export const controlSagaStart = defineMessage({
  name: 'controlSagaStart',
  subject: subjects.controlSagaStart,
  by: 'request',
  body: sagaStartBody,
  fromHeaders: { by: 'X-Agent-ID' },
});

export const controlSagaShow = defineMessage({
  name: 'controlSagaShow',
  subject: subjects.controlSagaShow,
  by: 'request',
  body: z.looseObject({ saga_id: id }),
});

export const SAGA_PHASES = ['acting', 'compensating', 'stuck', 'completed', 'compensated'] as const;

/** Those that are under way, or are in another phase. */
export const controlSagaList = defineMessage({
  name: 'controlSagaList',
  subject: subjects.controlSagaList,
  by: 'request',
  body: z.looseObject({ phase: z.enum(SAGA_PHASES).optional(), ...page }),
  raw: orEmpty,
});

/** Undoes what was done; of one that is stuck: tries again. */
export const controlSagaCancel = defineMessage({
  name: 'controlSagaCancel',
  subject: subjects.controlSagaCancel,
  by: 'request',
  body: z.looseObject({ saga_id: id, reason: z.string().optional(), by }),
  fromHeaders: { by: 'X-Agent-ID' },
});

/** A task for many: how far it is. */
export const controlGroupShow = defineMessage({
  name: 'controlGroupShow',
  subject: subjects.controlGroupShow,
  by: 'request',
  body: z.looseObject({ task_id: id }),
});

/** How its parts ended, a page at a time. */
export const controlGroupPage = defineMessage({
  name: 'controlGroupPage',
  subject: subjects.controlGroupPage,
  by: 'request',
  body: z.looseObject({ task_id: id, page: count.optional() }),
});

/** Those that are under way, or ended so. */
export const controlGroupList = defineMessage({
  name: 'controlGroupList',
  subject: subjects.controlGroupList,
  by: 'request',
  body: z.looseObject({ outcome: taskOutcome.optional(), ...page }),
  raw: orEmpty,
});

export const controlGroupCancel = defineMessage({
  name: 'controlGroupCancel',
  subject: subjects.controlGroupCancel,
  by: 'request',
  body: z.looseObject({ task_id: id, reason: z.string().optional(), by }),
  fromHeaders: { by: 'X-Agent-ID' },
});

export const COMMANDS = ['execute', 'pause', 'resume', 'shutdown', 'config', 'status'] as const;

const selection = {
  domain: id.optional(),
  capability: z.string().min(1).optional(),
};

/** Characters of an agent's id: the subject of its answer has to hold it. */
export const MAX_COMMANDED_ID = 130;

/** By name, by what they are and can do, or all that are registered. */
const commandTargets = z
  .strictObject({ agent_ids: z.array(id.max(MAX_COMMANDED_ID)).min(1).optional(), ...selection, all: z.literal(true).optional() })
  .refine(
    ({ agent_ids, all, ...by }) => Number(agent_ids !== undefined) + Number(all === true) + Number(Object.keys(by).length > 0) === 1,
    { error: 'must have either agent_ids, or domain and capability or one of them, or "all": true' },
  );
export type CommandTargets = z.infer<typeof commandTargets>;

const commandSendBody = z.looseObject({
  /** The same one twice is one command. */
  command_id: shortId.optional(),
  command: z.enum(COMMANDS),
  to: commandTargets,
  payload: z.unknown().optional(),
  reason: z.string().optional(),
  /** Of a shutdown: until when an agent may finish. */
  deadline: time.optional(),
  /** How long answers are waited for. */
  timeout_ms: atLeastOne.max(3_600_000).optional(),
  by: z.string({ error: 'must say who asks, here or in the header X-Agent-ID' }).min(1),
});
export type CommandSend = z.infer<typeof commandSendBody>;

export const controlCommandSend = defineMessage({
  name: 'controlCommandSend',
  subject: subjects.controlCommandSend,
  by: 'request',
  body: commandSendBody,
  fromHeaders: { by: 'X-Agent-ID' },
});

/** A command, and who answered what, a page of its targets at a time. */
export const controlCommandShow = defineMessage({
  name: 'controlCommandShow',
  subject: subjects.controlCommandShow,
  by: 'request',
  body: z.looseObject({ command_id: id, page: count.optional() }),
});

/** As `health.check.all`, answered by nobody else; and of some agents only. */
export const controlHealthCheck = defineMessage({
  name: 'controlHealthCheck',
  subject: subjects.controlHealthCheck,
  by: 'request',
  body: z.looseObject({ ...selection }),
  raw: orEmpty,
});

const eventBody = z.looseObject({ event: shortId, payload: z.unknown().optional(), by });

/** To the whole fleet, or to domains: by name, or those with an agent that can do something. */
export const controlBroadcastSend = defineMessage({
  name: 'controlBroadcastSend',
  subject: subjects.controlBroadcastSend,
  by: 'request',
  body: eventBody
    .extend({
      scope: z.enum(['global', 'domain']),
      ...selection,
    })
    .refine(({ scope, domain, capability }) => (scope === 'domain') === ((domain === undefined) !== (capability === undefined)), {
      error: 'must name a domain or a capability, and only with the scope domain',
    }),
  fromHeaders: { by: 'X-Agent-ID' },
});

export const controlBroadcastEmergency = defineMessage({
  name: 'controlBroadcastEmergency',
  subject: subjects.controlBroadcastEmergency,
  by: 'request',
  body: eventBody,
  fromHeaders: { by: 'X-Agent-ID' },
});

/** Before a guarded write: whether the lease with this token still stands. A token that was refused stays refused. */
export const controlResourceCheck = defineMessage({
  name: 'controlResourceCheck',
  subject: subjects.controlResourceCheck,
  by: 'request',
  body: z.looseObject({ resource_id: id, fencing_token: count }),
});

/** Who holds a resource, and who waits for it. */
export const controlResourceShow = defineMessage({
  name: 'controlResourceShow',
  subject: subjects.controlResourceShow,
  by: 'request',
  body: z.looseObject({ resource_id: id }),
});

/** The resources that somebody holds. */
export const controlResourceList = defineMessage({
  name: 'controlResourceList',
  subject: subjects.controlResourceList,
  by: 'request',
  body: z.looseObject({ ...page }),
  raw: orEmpty,
});

/** A barrier: who waits at it, for whom, and how its last phases ended. */
export const controlBarrierShow = defineMessage({
  name: 'controlBarrierShow',
  subject: subjects.controlBarrierShow,
  by: 'request',
  body: z.looseObject({ barrier_id: id }),
});

/** The barriers at which somebody waits. */
export const controlBarrierList = defineMessage({
  name: 'controlBarrierList',
  subject: subjects.controlBarrierList,
  by: 'request',
  body: z.looseObject({ ...page }),
  raw: orEmpty,
});

/** Who leads a domain. */
export const controlElectionShow = defineMessage({
  name: 'controlElectionShow',
  subject: subjects.controlElectionShow,
  by: 'request',
  body: z.looseObject({ domain: id }),
});

export const controlElectionList = defineMessage({
  name: 'controlElectionList',
  subject: subjects.controlElectionList,
  by: 'request',
  body: z.looseObject({ ...page }),
  raw: orEmpty,
});

/** With the leader's `agent_id` it resigns, and at once; without one its lease is not renewed any more. */
export const controlElectionResign = defineMessage({
  name: 'controlElectionResign',
  subject: subjects.controlElectionResign,
  by: 'request',
  body: z.looseObject({ domain: id, agent_id: id.optional(), by, reason: z.string().optional() }),
  fromHeaders: { by: 'X-Agent-ID' },
});
