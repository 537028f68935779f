/** What an operator asks for, and one function does: `control.<area>.<verb>`. */
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

/** Which dead letters: all conditions that are there hold. */
const deadLetterFilter = z.looseObject({
  subject: z.string().optional(),
  reason: z.string().optional(),
  since: time.optional(),
  until: time.optional(),
  limit: atLeastOne.optional(),
});
export type DeadLetterFilter = z.infer<typeof deadLetterFilter>;

export const controlDlqList = defineMessage({
  name: 'controlDlqList',
  subject: subjects.controlDlqList,
  by: 'request',
  body: deadLetterFilter,
  raw: orEmpty,
});

export const controlDlqShow = defineMessage({
  name: 'controlDlqShow',
  subject: subjects.controlDlqShow,
  by: 'request',
  body: z.looseObject({ id: z.string().min(1) }),
});

export const controlDlqReplay = defineMessage({
  name: 'controlDlqReplay',
  subject: subjects.controlDlqReplay,
  by: 'request',
  body: deadLetterFilter,
});

export const controlDlqDiscard = defineMessage({
  name: 'controlDlqDiscard',
  subject: subjects.controlDlqDiscard,
  by: 'request',
  body: deadLetterFilter,
});

export const controlCircuitList = defineMessage({
  name: 'controlCircuitList',
  subject: subjects.controlCircuitList,
  by: 'request',
  body: nothing,
  raw: orEmpty,
});

export const controlCircuitForce = defineMessage({
  name: 'controlCircuitForce',
  subject: subjects.controlCircuitForce,
  by: 'request',
  body: z.looseObject({ service: id, state: z.enum(['open', 'closed', 'half_open']) }),
});

export const controlCircuitReset = defineMessage({
  name: 'controlCircuitReset',
  subject: subjects.controlCircuitReset,
  by: 'request',
  body: z.looseObject({ service: id }),
});

export const controlEscalationList = defineMessage({
  name: 'controlEscalationList',
  subject: subjects.controlEscalationList,
  by: 'request',
  body: nothing,
  raw: orEmpty,
});

const caseBody = z.looseObject({ agent_id: id, by: z.string().min(1), reason: z.string().optional() });
export type EscalationCase = z.infer<typeof caseBody>;

export const controlEscalationAck = defineMessage({
  name: 'controlEscalationAck',
  subject: subjects.controlEscalationAck,
  by: 'request',
  body: caseBody,
});

export const controlEscalationResolve = defineMessage({
  name: 'controlEscalationResolve',
  subject: subjects.controlEscalationResolve,
  by: 'request',
  body: caseBody,
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

export const controlBridgePause = defineMessage({
  name: 'controlBridgePause',
  subject: subjects.controlBridgePause,
  by: 'request',
  /** `<function>.<event name>` */
  body: z.looseObject({ binding: z.string().min(1) }),
});
