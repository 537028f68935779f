/** What an operator asks of routing: `control.routing.<verb>`. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { defineMessage } from './message.ts';
import { orEmpty } from './opaque.ts';
import { routeRequest } from './routing.ts';
import { policy } from './routing-policy.ts';

const PATTERN_RULE = 'must be a pattern of subjects such as work.nlp.* or agents.>: tokens between dots, * for one, a last > for the rest';
const SUBJECT_RULE = 'must be a subject without wildcards, such as work.nlp.high.parse';
const BARE_RULE = 'must not begin with route.: it is about the subject behind it, such as work.nlp.high.parse';
const by = z.string({ error: 'must say who asks, here or in the header X-Agent-ID' }).min(1).max(200);

/** A `*` or `>` stands alone between the dots. */
const PATTERN = /^(?:(?:\*|[^\s.*>]+)\.)*(?:\*|>|[^\s.*>]+)$/;
const SUBJECT = /^[^\s.*>]+(?:\.[^\s.*>]+)*$/;
const pattern = z.string({ error: PATTERN_RULE }).max(254).regex(PATTERN, { error: PATTERN_RULE });

/** `route.` asks for a decision, and is no part of the subject that it is about. */
const isBare = (subject: string): boolean => !subject.startsWith('route.');

const setBody = z.looseObject({ pattern: pattern.refine(isBare, { error: BARE_RULE }), policy, by });

/** The policy of all subjects that match a pattern, from now on. */
export const controlRoutingSet = defineMessage({
  name: 'controlRoutingSet',
  subject: subjects.controlRoutingSet,
  by: 'request',
  body: setBody,
  fromHeaders: { by: 'X-Agent-ID' },
});

export const controlRoutingRemove = defineMessage({
  name: 'controlRoutingRemove',
  subject: subjects.controlRoutingRemove,
  by: 'request',
  body: z.looseObject({ pattern, by: by.optional() }),
  fromHeaders: { by: 'X-Agent-ID' },
});

export const controlRoutingList = defineMessage({
  name: 'controlRoutingList',
  subject: subjects.controlRoutingList,
  by: 'request',
  body: z.looseObject({}),
  raw: orEmpty,
});

/** Who would get a message now, or a task, and why. It changes nothing. */
export const controlRoutingExplain = defineMessage({
  name: 'controlRoutingExplain',
  subject: subjects.controlRoutingExplain,
  by: 'request',
  body: routeRequest.extend({
    /** Absent: that of tasks. */
    subject: z.string({ error: SUBJECT_RULE }).regex(SUBJECT, { error: SUBJECT_RULE }).refine(isBare, { error: BARE_RULE }).optional(),
  }),
  raw: orEmpty,
});
