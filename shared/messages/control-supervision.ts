/** What an operator asks the functions of supervision: `control.<area>.<verb>`. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, id, severity, time } from './fields.ts';
import { defineMessage } from './message.ts';
import { orEmpty } from './opaque.ts';
import { PATTERN_TYPES } from './supervision.ts';
import { childFields, supervisorFields } from './supervisor.ts';

const by = z.string().min(1).optional();
const page = { limit: atLeastOne.optional(), /** The `next` of the page before. */ after: z.string().optional() };

/** A new supervisor, or a change of one. */
export const controlSupervisorDefine = defineMessage({
  name: 'controlSupervisorDefine',
  subject: subjects.controlSupervisorDefine,
  by: 'request',
  body: z.looseObject({ supervisor_id: id, ...supervisorFields, by }),
  fromHeaders: { by: 'X-Agent-ID' },
});

/** Only one without children. */
export const controlSupervisorRemove = defineMessage({
  name: 'controlSupervisorRemove',
  subject: subjects.controlSupervisorRemove,
  by: 'request',
  body: z.looseObject({ supervisor_id: id, by }),
  fromHeaders: { by: 'X-Agent-ID' },
});

/** The last to be started, unless it comes `before` another child. */
export const controlSupervisorAddChild = defineMessage({
  name: 'controlSupervisorAddChild',
  subject: subjects.controlSupervisorAddChild,
  by: 'request',
  body: z.looseObject({ supervisor_id: id, child: childFields, before: id.optional(), by }),
  fromHeaders: { by: 'X-Agent-ID' },
});

export const controlSupervisorRemoveChild = defineMessage({
  name: 'controlSupervisorRemoveChild',
  subject: subjects.controlSupervisorRemoveChild,
  by: 'request',
  body: z.looseObject({ supervisor_id: id, child_id: id, by }),
  fromHeaders: { by: 'X-Agent-ID' },
});

/** A supervisor with what is below it; nothing named: from root. */
export const controlSupervisorShow = defineMessage({
  name: 'controlSupervisorShow',
  subject: subjects.controlSupervisorShow,
  by: 'request',
  body: z.looseObject({ supervisor_id: id.optional() }),
  raw: orEmpty,
});

/** Recoveries under way. */
export const controlRecoveryList = defineMessage({
  name: 'controlRecoveryList',
  subject: subjects.controlRecoveryList,
  by: 'request',
  body: z.looseObject({ ...page }),
  raw: orEmpty,
});

/** What the health monitor knows of an agent. */
export const controlHealthShow = defineMessage({
  name: 'controlHealthShow',
  subject: subjects.controlHealthShow,
  by: 'request',
  body: z.looseObject({ agent_id: id }),
});

/** Episodes that are open. */
export const controlPatternsList = defineMessage({
  name: 'controlPatternsList',
  subject: subjects.controlPatternsList,
  by: 'request',
  body: z.looseObject({ pattern_type: z.enum(PATTERN_TYPES).optional(), ...page }),
  raw: orEmpty,
});

/** Groups of alerts that are not resolved, or the silences. */
export const controlAlertsList = defineMessage({
  name: 'controlAlertsList',
  subject: subjects.controlAlertsList,
  by: 'request',
  body: z.looseObject({ view: z.enum(['groups', 'silences']).optional(), severity: severity.optional(), ...page }),
  raw: orEmpty,
});

/** Alerts that match all that is named are told to nobody until then. */
export const controlAlertsSilence = defineMessage({
  name: 'controlAlertsSilence',
  subject: subjects.controlAlertsSilence,
  by: 'request',
  body: z
    .looseObject({
      source: z.string().min(1).optional(),
      group: z.string().min(1).optional(),
      agent_id: id.optional(),
      severity: severity.optional(),
      until: time,
      reason: z.string().optional(),
      by,
    })
    .refine((body) => ['source', 'group', 'agent_id', 'severity'].some((name) => body[name] !== undefined), {
      error: 'must have a condition (source, group, agent_id, severity)',
    }),
  fromHeaders: { by: 'X-Agent-ID' },
});

export const controlAlertsUnsilence = defineMessage({
  name: 'controlAlertsUnsilence',
  subject: subjects.controlAlertsUnsilence,
  by: 'request',
  body: z.looseObject({ silence_id: id, by }),
  fromHeaders: { by: 'X-Agent-ID' },
});

export const controlAlertsResolve = defineMessage({
  name: 'controlAlertsResolve',
  subject: subjects.controlAlertsResolve,
  by: 'request',
  body: z.looseObject({ group_id: id, reason: z.string().optional(), by }),
  fromHeaders: { by: 'X-Agent-ID' },
});

/** The rollups of a metric of an agent or a component. */
export const controlMetricsQuery = defineMessage({
  name: 'controlMetricsQuery',
  subject: subjects.controlMetricsQuery,
  by: 'request',
  body: z
    .looseObject({
      agent_id: id.optional(),
      component: id.optional(),
      metric: id,
      resolution: z.enum(['10s', '1m', '1h']).optional(),
      from: time.optional(),
      to: time.optional(),
    })
    .refine((body) => (body.agent_id === undefined) !== (body.component === undefined), {
      error: 'must name either an agent_id or a component',
    }),
});

/** Questions, blockers and requests that nobody answered yet, or what each agent says of itself. */
export const controlOrchestratorList = defineMessage({
  name: 'controlOrchestratorList',
  subject: subjects.controlOrchestratorList,
  by: 'request',
  body: z.looseObject({ view: z.enum(['open', 'agents']).optional(), ...page }),
  raw: orEmpty,
});
