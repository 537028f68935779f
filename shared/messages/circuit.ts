/** Circuits: how calls to a service went, and whether it may be called. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { count, id, time } from './fields.ts';
import { defineMessage } from './message.ts';
import { opaqueValue, type RawBody } from './opaque.ts';

const reportBody = z.looseObject({
  service: id,
  outcome: z.enum(['success', 'failure', 'slow']),
  duration_ms: z.number().min(0).optional(),
  /** Of the circuit when the call was made: a report of another epoch is late. Absent: it is taken for one of now. */
  epoch: count.optional(),
});
export type CircuitReport = z.infer<typeof reportBody>;

export const circuitReport = defineMessage({
  name: 'circuitReport',
  subject: subjects.circuitReport,
  by: 'core',
  body: reportBody,
});

const stateFields = {
  service: id,
  reason: z.string().optional(),
  /** Until when it stays open. */
  until: time.optional(),
  /** Half-open: so many calls the whole fleet may try in this epoch. */
  permits: count.optional(),
  epoch: count.optional(),
};

/** Agents publish a state of their own with whatever details they have. */
const details = (raw: RawBody): unknown => (raw.data === '' ? {} : { details: opaqueValue(raw) });

const openBody = z.looseObject({ ...stateFields, state: z.literal('open').default('open') });
export type CircuitOpen = z.infer<typeof openBody>;

export const circuitOpen = defineMessage({
  name: 'circuitOpen',
  subject: subjects.circuitOpen,
  by: 'CIRCUITS',
  body: openBody,
  raw: details,
});

const closedBody = z.looseObject({ ...stateFields, state: z.literal('closed').default('closed') });
export type CircuitClosed = z.infer<typeof closedBody>;

export const circuitClosed = defineMessage({
  name: 'circuitClosed',
  subject: subjects.circuitClosed,
  by: 'CIRCUITS',
  body: closedBody,
  raw: details,
});

const halfOpenBody = z.looseObject({ ...stateFields, state: z.literal('half_open').default('half_open') });
export type CircuitHalfOpen = z.infer<typeof halfOpenBody>;

export const circuitHalfOpen = defineMessage({
  name: 'circuitHalfOpen',
  subject: subjects.circuitHalfOpen,
  by: 'CIRCUITS',
  body: halfOpenBody,
  raw: details,
});
