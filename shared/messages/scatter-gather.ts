/** One request scattered to many agents, and their results gathered. Raw payloads and raw results are taken as they are. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { atLeastOne, count, id } from './fields.ts';
import { headerOf } from './headers.ts';
import { defineMessage } from './message.ts';
import { isObject, opaqueValue, type RawBody } from './opaque.ts';

/** What is made of the results, and by what operation where they are reduced. */
export const STRATEGIES = ['collect', 'first', 'merge', 'reduce'] as const;
export const REDUCTIONS = ['sum', 'min', 'max', 'mean', 'count', 'concat'] as const;
/** What ended a gather. */
export const ENDINGS = ['size', 'timeout', 'inactivity', 'predicate', 'quorum', 'first', 'cancel'] as const;

const MAX_EXPECTED = 2000;
/** They are written with each result. */
const MAX_RULE_BYTES = 100_000;

/** Names of fields with dots between them; absent: the result itself. */
const field = z.string().min(1).max(200).optional();

/** How it is gathered. Each may be absent, and says something only beside `min_responses`. */
const rules = {
  /** Since the last result. */
  idle_timeout_ms: atLeastOne.optional(),
  /** An EventBridge pattern on a result. */
  complete_when: z.record(z.string(), z.unknown()).optional(),
  quorum: z.strictObject({ count: atLeastOne, field }).optional(),
  strategy: z.enum(STRATEGIES).optional(),
  reduce: z.strictObject({ op: z.enum(REDUCTIONS), field }).optional(),
  /** Who is to answer. */
  expected: z.array(id).min(1).max(MAX_EXPECTED).optional(),
  allow_partial: z.boolean().optional(),
};

/** How many results complete it: where nothing is said, all that are expected, or the minimum. */
export const mostOf = (
  { max_responses, expected }: { max_responses?: number | undefined; expected?: readonly string[] | undefined },
  min: number,
): number => max_responses ?? Math.max(min, new Set(expected).size);

const scatterBody = z
  .looseObject({
    request_id: id,
    /** Absent: whoever sent it gathers by itself. */
    min_responses: atLeastOne.optional(),
    max_responses: atLeastOne.optional(),
    timeout_ms: atLeastOne.optional(),
    payload: z.unknown().optional(),
    ...rules,
  })
  .refine((body) => !body.min_responses || !body.max_responses || body.min_responses <= body.max_responses, {
    error: 'must be at least min_responses',
    path: ['max_responses'],
  })
  .refine((body) => (body.strategy === 'reduce') === (body.reduce !== undefined), {
    error: 'must be there with the strategy reduce, and only then: {"op": "sum", "field": "cost"}',
    path: ['reduce'],
  })
  .refine((body) => !body.quorum || !body.min_responses || body.quorum.count <= mostOf(body, body.min_responses), {
    error: 'must be at most max_responses',
    path: ['quorum', 'count'],
  })
  .refine((body) => Buffer.byteLength(JSON.stringify([body.complete_when, body.expected])) <= MAX_RULE_BYTES, {
    error: `must have ${MAX_RULE_BYTES} bytes at most, together with complete_when`,
    path: ['expected'],
  });
export type ScatterTask = z.infer<typeof scatterBody>;

const MIN_HEADER = 'X-Min-Responses';

/** Without `min_responses`, or beside its header, a body is somebody's payload, whatever fields it has. */
const scattered = (raw: RawBody): unknown => {
  const payload = opaqueValue(raw);
  const isOurs = headerOf(raw.headers, MIN_HEADER) === undefined && isObject(payload) && 'min_responses' in payload;
  return isOurs ? undefined : { payload };
};

export const scatterTask = defineMessage({
  name: 'scatterTask',
  subject: subjects.scatterTask,
  by: 'COORDINATION',
  body: scatterBody,
  fromHeaders: {
    min_responses: MIN_HEADER,
    max_responses: 'X-Max-Responses',
    timeout_ms: 'X-Timeout-Ms',
    idle_timeout_ms: 'X-Idle-Timeout-Ms',
  },
  payloadBeside: MIN_HEADER,
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

export const GATHER_STATUSES = ['complete', 'partial', 'unresolved', 'timed_out'] as const;

const completeBody = z.looseObject({
  request_id: id,
  status: z.enum(GATHER_STATUSES),
  count,
  responses: z.array(z.unknown()).optional(),
  completed_by: z.enum(ENDINGS).optional(),
  /** Of those that are counted: errors, and results that are of no use to the strategy. */
  failed: count.optional(),
  /** Who was expected and did not answer. */
  missing: z.array(id).optional(),
  /** Merged or reduced. */
  value: z.unknown().optional(),
  /** What a quorum said. */
  agreed: z.looseObject({ value: z.unknown(), count }).optional(),
});
export type GatherComplete = z.infer<typeof completeBody>;

export const gatherComplete = defineMessage({
  name: 'gatherComplete',
  subject: subjects.gatherComplete,
  by: 'COORDINATION',
  body: completeBody,
});
