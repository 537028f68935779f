/**
 * The tolerant reader: a record becomes a message, or a sentence that says why not. A valid JSON body costs one parse and
 * one validation; other spellings are tried only after the schema refused, and raw bytes only where the message takes them.
 */
import * as z from 'zod';
import type { BatchRecord, Headers } from '#shared/contract.ts';
import { subjectMatcher, subjectProblem } from '#shared/subject-matcher.ts';
import { paramNames, parseSubject, type SubjectPattern } from '#shared/subjects.ts';
import { type Carried, open } from './envelope.ts';
import { explainIssue } from './explain.ts';
import { headerOf } from './headers.ts';
import type { AnyMessage, Received } from './message.ts';
import { isObject, opaque, type RawBody } from './opaque.ts';
import { repair } from './repair.ts';
import { fromSerde } from './serde.ts';

/** The body as filters and `groupBy` see it, or the bytes where it is not JSON. It knows no schema. Never throws. */
export const readEnvelope = (record: Carried): { body: unknown; raw?: undefined } | { raw: RawBody; body?: undefined } => {
  const { raw, json } = open(record);
  return json ? { body: fromSerde(json.value) } : { raw };
};

/** `unrouted`: the subject is none of the messages'. `bad_subject`: it would be, but for one token. */
export type ReadErrorCode = 'unrouted' | 'bad_subject' | 'not_json' | 'invalid_body';

export type Reading<M extends AnyMessage> =
  | { ok: true; event: Received<M> }
  | { ok: false; code: ReadErrorCode /** One sentence, with the JSON path. */; message: string };

type Params = Record<string, string>;
/** `shared`: parameters of the subject that are fields of the body too. */
type Plan = { message: AnyMessage; shared: string[]; fromHeaders: [string, string][] };
type Reader = { match(subject: string): SubjectPattern | undefined; plans: Map<SubjectPattern, Plan> };

const readers = new WeakMap<readonly AnyMessage[], Reader>();

const planOf = (message: AnyMessage): Plan => {
  const fields = message.body instanceof z.ZodObject ? message.body.shape : {};
  return {
    message,
    shared: paramNames(message.subject).filter((name) => name in fields),
    fromHeaders: Object.entries(message.fromHeaders ?? {}),
  };
};

const readerOf = (messages: readonly AnyMessage[]): Reader => {
  let reader = readers.get(messages);
  if (!reader) {
    const plans = new Map(messages.map((message) => [message.subject as SubjectPattern, planOf(message)]));
    reader = { match: subjectMatcher([...plans.keys()]), plans };
    readers.set(messages, reader);
  }
  return reader;
};

/** Reads a record as one of the messages, whose array should be a constant: what is compiled of it is kept by its identity. Never throws. */
export const readMessage = <M extends AnyMessage>(messages: readonly M[], record: BatchRecord): Reading<M> => {
  const reader = readerOf(messages);
  const plan = reader.plans.get(reader.match(record.subject) ?? '');
  const params = plan && (parseSubject(plan.message.subject, record.subject) as Params | undefined);
  if (!plan || !params) return { ok: false, ...subjectProblem([...reader.plans.keys()], record.subject) };
  const read = readBody(plan, params, record);
  if (!read.ok) return read;
  const event: Record<string, unknown> = {
    message: plan.message.name,
    subject: record.subject,
    params,
    body: read.body,
    headers: read.headers,
    sentAt: Date.parse(record.timestamp),
  };
  if (record.reply !== undefined) event.reply = record.reply;
  if (record.folded) event.folded = record.folded;
  if (record.rhythm) event.rhythm = record.rhythm;
  return { ok: true, event: event as Received<M> };
};

type Body = { ok: true; body: unknown; headers: Headers } | { ok: false; code: ReadErrorCode; message: string };

const readBody = (plan: Plan, params: Params, record: BatchRecord): Body => {
  const { message } = plan;
  if (message.body === opaque) return { ok: true, body: { data: record.data, encoding: record.encoding }, headers: record.headers };
  const { raw, json } = open(record);
  const isPayload = message.payloadBeside !== undefined && headerOf(raw.headers, message.payloadBeside) !== undefined;
  const first: Validation =
    json && !isPayload
      ? validate(plan, params, raw.headers, fromSerde(json.value))
      : { ok: false, code: 'not_json', message: notJson(raw.data, raw.encoding) };
  if (first.ok) return { ...first, headers: raw.headers };
  const second = message.raw?.(raw);
  if (second === undefined) return first;
  const reading = validate(plan, params, raw.headers, second);
  return reading.ok ? { ...reading, headers: raw.headers } : reading;
};

type Validation = { ok: true; body: unknown } | { ok: false; code: ReadErrorCode; message: string };

/** Each repair may uncover one more: a variant's name, then a time inside it. */
const MAX_REPAIRS = 3;

const validate = ({ message, shared, fromHeaders }: Plan, params: Params, headers: Headers, body: unknown): Validation => {
  if (isObject(body)) {
    for (const name of shared) body[name] ??= params[name];
    for (const [field, header] of fromHeaders) if (body[field] == null) body[field] = headerOf(headers, header);
  }
  const schema = message.body as z.ZodType;
  let result = schema.safeParse(body);
  for (let n = 0; n < MAX_REPAIRS && !result.success && repair(body, result.error.issues); n++) result = schema.safeParse(body);
  if (!result.success) return { ok: false, code: 'invalid_body', message: explainIssue(body, result.error.issues) };
  const fields = result.data as Record<string, unknown>;
  for (const name of shared) {
    if (String(fields[name]) === params[name]) continue;
    const found = `${JSON.stringify(fields[name])} in the body and "${params[name]}" in the subject`;
    return { ok: false, code: 'invalid_body', message: `${name}: is ${found}: make them the same` };
  }
  return { ok: true, body: fields };
};

const notJson = (data: string, encoding: BatchRecord['encoding']): string => {
  if (encoding === 'base64') return 'body: is not UTF-8 text: send a JSON object';
  if (data === '') return 'body: is empty: send a JSON object';
  return `body: is not JSON: send a JSON object, not ${JSON.stringify(data.length > 40 ? `${data.slice(0, 40)}…` : data)}`;
};
