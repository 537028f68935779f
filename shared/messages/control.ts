/** What an operator asks for, and one function or the bridge does: `control.<area>.<verb>`. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, count, id, time } from './fields.ts';
import { defineMessage } from './message.ts';
import { orEmpty } from './opaque.ts';

const nothing = z.looseObject({});

const pageBody = z.looseObject({ request_id: id, page: count });
export type GatherPage = z.infer<typeof pageBody>;

export const controlGatherPage = defineMessage({
  name: 'controlGatherPage',
  subject: subjects.controlGatherPage,
  by: 'request',
  body: pageBody,
});

/** Who came, who is missing, and until when it waits. */
export const controlGatherShow = defineMessage({
  name: 'controlGatherShow',
  subject: subjects.controlGatherShow,
  by: 'request',
  body: z.looseObject({ request_id: id }),
});

/** Ends it at once with what came. */
export const controlGatherCancel = defineMessage({
  name: 'controlGatherCancel',
  subject: subjects.controlGatherCancel,
  by: 'request',
  body: z.looseObject({ request_id: id }),
});

const letterStatus = z.enum(['open', 'replayed', 'discarded']);

/** Which dead letters: all conditions that are there hold. */
const filterFields = {
  id: id.optional(),
  group: id.optional(),
  /** The original subject, or a NATS filter. */
  subject: z.string().min(1).optional(),
  /** The code of the reason. */
  reason: z.string().min(1).optional(),
  since: time.optional(),
  until: time.optional(),
  status: letterStatus.optional(),
};

const listBody = z.looseObject({
  ...filterFields,
  view: z.enum(['letters', 'groups', 'operations']).optional(),
  limit: atLeastOne.optional(),
  /** The `after` of the page before. */
  after: z.string().optional(),
});
export type DeadLetterList = z.infer<typeof listBody>;

export const controlDlqList = defineMessage({
  name: 'controlDlqList',
  subject: subjects.controlDlqList,
  by: 'request',
  body: listBody,
  raw: orEmpty,
});

export const controlDlqShow = defineMessage({
  name: 'controlDlqShow',
  subject: subjects.controlDlqShow,
  by: 'request',
  /** Of a letter, a group or an operation. */
  body: z.looseObject({ id }),
});

const CONDITIONS = Object.keys(filterFields);

/** `by` may come as the header X-Agent-ID. */
const operationBody = z
  .looseObject({
    ...filterFields,
    by: z.string({ error: 'must say who asks, here or in the header X-Agent-ID' }).min(1),
    /** Every dead letter there is: instead of a condition. */
    all: z.literal(true).optional(),
    /** At most so many letters. */
    limit: atLeastOne.optional(),
  })
  .refine((body) => body.all || CONDITIONS.some((name) => body[name] !== undefined), {
    error: `must have a condition (${CONDITIONS.join(', ')}), or "all": true for every dead letter`,
  });
export type DeadLetterOperation = z.infer<typeof operationBody>;

export const controlDlqReplay = defineMessage({
  name: 'controlDlqReplay',
  subject: subjects.controlDlqReplay,
  by: 'request',
  body: operationBody,
  fromHeaders: { by: 'X-Agent-ID' },
});

export const controlDlqDiscard = defineMessage({
  name: 'controlDlqDiscard',
  subject: subjects.controlDlqDiscard,
  by: 'request',
  body: operationBody,
  fromHeaders: { by: 'X-Agent-ID' },
});

export const controlReconcilerRun = defineMessage({
  name: 'controlReconcilerRun',
  subject: subjects.controlReconcilerRun,
  by: 'request',
  body: nothing,
  raw: orEmpty,
});

const circuitState = z.enum(['open', 'closed', 'half_open']);
/** Who asks, and why: it becomes the circuit's reason. `by` may come as the header X-Agent-ID. */
const who = { by: z.string().min(1).optional(), reason: z.string().optional() };

export const controlCircuitList = defineMessage({
  name: 'controlCircuitList',
  subject: subjects.controlCircuitList,
  by: 'request',
  body: z.looseObject({ state: circuitState.optional(), after: id.optional(), limit: atLeastOne.optional() }),
  raw: orEmpty,
});

export const controlCircuitForce = defineMessage({
  name: 'controlCircuitForce',
  subject: subjects.controlCircuitForce,
  by: 'request',
  body: z.looseObject({ service: id, state: circuitState, ...who }),
  fromHeaders: { by: 'X-Agent-ID' },
});

export const controlCircuitReset = defineMessage({
  name: 'controlCircuitReset',
  subject: subjects.controlCircuitReset,
  by: 'request',
  body: z.looseObject({ service: id, ...who }),
  fromHeaders: { by: 'X-Agent-ID' },
});

export const controlEscalationList = defineMessage({
  name: 'controlEscalationList',
  subject: subjects.controlEscalationList,
  by: 'request',
  body: z.looseObject({ after: id.optional(), limit: atLeastOne.optional() }),
  raw: orEmpty,
});

const caseBody = z.looseObject({ agent_id: id, by: z.string().min(1), reason: z.string().optional() });
export type EscalationCase = z.infer<typeof caseBody>;

export const controlEscalationAck = defineMessage({
  name: 'controlEscalationAck',
  subject: subjects.controlEscalationAck,
  by: 'request',
  body: caseBody,
  fromHeaders: { by: 'X-Agent-ID' },
});

export const controlEscalationResolve = defineMessage({
  name: 'controlEscalationResolve',
  subject: subjects.controlEscalationResolve,
  by: 'request',
  body: caseBody,
  fromHeaders: { by: 'X-Agent-ID' },
});

export const controlTasksShow = defineMessage({
  name: 'controlTasksShow',
  subject: subjects.controlTasksShow,
  by: 'request',
  body: z.looseObject({ task_id: id }),
});

export const controlTasksCancel = defineMessage({
  name: 'controlTasksCancel',
  subject: subjects.controlTasksCancel,
  by: 'request',
  body: z.looseObject({ task_id: id, reason: z.string().optional() }),
});

export const controlBridgeList = defineMessage({
  name: 'controlBridgeList',
  subject: subjects.controlBridgeList,
  by: 'request',
  body: nothing,
  raw: orEmpty,
});

/** `<function>.<event name>`, or a function: all its bindings, `<function>.alarms` among them. */
const bindingBody = z.looseObject({ binding: z.string().min(1), by: z.string().min(1).optional() });

export const controlBridgeShow = defineMessage({
  name: 'controlBridgeShow',
  subject: subjects.controlBridgeShow,
  by: 'request',
  body: bindingBody,
});

export const controlBridgePause = defineMessage({
  name: 'controlBridgePause',
  subject: subjects.controlBridgePause,
  by: 'request',
  body: bindingBody,
  fromHeaders: { by: 'X-Agent-ID' },
});

export const controlBridgeResume = defineMessage({
  name: 'controlBridgeResume',
  subject: subjects.controlBridgeResume,
  by: 'request',
  body: bindingBody,
  fromHeaders: { by: 'X-Agent-ID' },
});

/** The oldest message of that time or later; that sequence of the stream. */
const position = [z.strictObject({ time }), z.strictObject({ sequence: atLeastOne })] as const;

/** Of one stream binding. */
export const controlBridgeReset = defineMessage({
  name: 'controlBridgeReset',
  subject: subjects.controlBridgeReset,
  by: 'request',
  body: bindingBody.extend({
    to: z.union([z.enum(['all', 'new']), ...position], {
      error: 'must be "all", "new", { "time": "2026-01-31T12:00:00Z" } or { "sequence": 1041 }',
    }),
  }),
  fromHeaders: { by: 'X-Agent-ID' },
});

/** Of one stream binding, and only backwards. */
export const controlBridgeReplay = defineMessage({
  name: 'controlBridgeReplay',
  subject: subjects.controlBridgeReplay,
  by: 'request',
  body: bindingBody.extend({
    from: z.union(position, { error: 'must be { "time": "2026-01-31T12:00:00Z" } or { "sequence": 1041 }' }),
  }),
  fromHeaders: { by: 'X-Agent-ID' },
});
