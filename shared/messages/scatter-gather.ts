/** One request scattered to many agents, and their results gathered. Raw payloads and raw results are taken as they are. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, count, id } from './fields.ts';
import { defineMessage } from './message.ts';
import { isObject, opaqueValue, type RawBody } from './opaque.ts';

const scatterBody = z
  .looseObject({
    request_id: id,
    /** Absent: whoever sent it gathers by itself. */
    min_responses: atLeastOne.optional(),
    max_responses: atLeastOne.optional(),
    timeout_ms: atLeastOne.optional(),
    payload: z.unknown().optional(),
  })
  .refine((body) => !body.min_responses || !body.max_responses || body.min_responses <= body.max_responses, {
    error: 'must be at least min_responses',
    path: ['max_responses'],
  });
export type ScatterTask = z.infer<typeof scatterBody>;

/** Without `min_responses` a body is somebody's payload, whatever fields it has. */
const scattered = (raw: RawBody): unknown => {
  const payload = opaqueValue(raw);
  return isObject(payload) && 'min_responses' in payload ? undefined : { payload };
};

export const scatterTask = defineMessage({
  name: 'scatterTask',
  subject: subjects.scatterTask,
  by: 'COORDINATION',
  body: scatterBody,
  fromHeaders: { min_responses: 'X-Min-Responses', max_responses: 'X-Max-Responses', timeout_ms: 'X-Timeout-Ms' },
  raw: scattered,
});

const resultBody = z
  .looseObject({
    request_id: id,
    /** Absent: anonymous. */
    agent_id: id.optional(),
    result: z.unknown().optional(),
    error: z.unknown().optional(),
  })
  .refine((body) => body.result !== undefined || body.error !== undefined, { error: 'must have a result or an error' });
export type GatherResult = z.infer<typeof resultBody>;

/** What has neither `result` nor `error` is the result. */
const bareResult = (raw: RawBody): unknown => {
  const result = opaqueValue(raw);
  if (!isObject(result)) return { result };
  if ('result' in result || 'error' in result) return undefined;
  return typeof result.agent_id === 'string' ? { agent_id: result.agent_id, result } : { result };
};

export const gatherResult = defineMessage({
  name: 'gatherResult',
  subject: subjects.gatherResult,
  by: 'COORDINATION',
  body: resultBody,
  fromHeaders: { agent_id: 'X-Agent-ID' },
  raw: bareResult,
});

const completeBody = z.looseObject({
  request_id: id,
  status: z.enum(['complete', 'partial', 'timed_out']),
  count,
  responses: z.array(z.unknown()).optional(),
});
export type GatherComplete = z.infer<typeof completeBody>;

export const gatherComplete = defineMessage({
  name: 'gatherComplete',
  subject: subjects.gatherComplete,
  by: 'COORDINATION',
  body: completeBody,
});
