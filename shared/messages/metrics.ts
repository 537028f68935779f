/** Figures of agents and of parts of the system. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { time } from './fields.ts';
import { defineMessage } from './message.ts';
import { opaqueValue, type RawBody } from './opaque.ts';

const metricBody = z.looseObject({ value: z.number(), unit: z.string().optional(), timestamp: time.optional() });
export type Metric = z.infer<typeof metricBody>;

/** A number alone is the value. */
const bareNumber = (raw: RawBody): unknown => {
  const value = opaqueValue(raw);
  return typeof value === 'number' ? { value } : undefined;
};

export const agentMetric = defineMessage({
  name: 'agentMetric',
  subject: subjects.agentMetric,
  by: 'core',
  body: metricBody,
  raw: bareNumber,
});

export const systemMetric = defineMessage({
  name: 'systemMetric',
  subject: subjects.systemMetric,
  by: 'core',
  body: metricBody,
  raw: bareNumber,
});
