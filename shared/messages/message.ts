/**
 * A message: its subject, its schema and its type together. The families beside this file list all of them,
 * `catalogue.ts` collects them, `read.ts` reads what came over the wire.
 */
import type * as z from 'zod';
import type { Headers, Rhythm } from '#shared/contract.ts';
import { buildSubject, type SubjectParams, type SubjectPattern } from '#shared/subjects.ts';
import { opaque, type RawBody } from './opaque.ts';

/** A stream's name; `core`: at most once; `request`: request/reply, never captured by a stream. */
export type CarriedBy =
  | 'AGENT_LIFECYCLE'
  | 'SUPERVISION_EVENTS'
  | 'COORDINATION_MESSAGES'
  | 'COORDINATION'
  | 'WORK_QUEUE'
  | 'ALERTS'
  | 'CIRCUITS'
  | 'DEAD_LETTERS'
  | 'ADVISORIES'
  | 'core'
  | 'request';

export type Message<Name extends string = string, Pattern extends SubjectPattern = SubjectPattern, Body = unknown> = {
  name: Name;
  subject: Pattern;
  by: CarriedBy;
  /** A field that is also a parameter of the subject may be left out on the wire: the reader takes it from there. */
  body: z.ZodType<Body>;
  /** Fields that are taken from a header where the body has none: `{ min_responses: 'X-Min-Responses' }`. */
  fromHeaders?: Readonly<Record<string, string>>;
  /** Beside this header the body is a payload, whatever its fields are called: only `raw` reads it. */
  payloadBeside?: string;
  /** A second reading of bytes that are not JSON or that `body` refuses: what `body` then checks, or undefined to leave it refused. */
  raw?: (raw: RawBody) => unknown;
};

/** Any message of the catalogue. */
// biome-ignore lint/suspicious/noExplicitAny: the one place where a message's own types do not matter
export type AnyMessage = Message<string, any, any>;

type ReceivedAs<Name extends string, Pattern extends SubjectPattern, Body> = {
  message: Name;
  subject: string;
  params: SubjectParams<Pattern>;
  body: Body;
  headers: Headers;
  /** Where an answer is expected. */
  reply?: string;
  /** Epoch ms at which the server stored it, or the bridge received it. */
  sentAt: number;
  folded?: { count: number; first: string; last: string };
  rhythm?: Rhythm;
};

/** What `decide` sees of a message that was read. Of `any` it is `any`, so that specs of several messages fit one list. */
export type Received<M extends AnyMessage> = 0 extends 1 & M
  ? // biome-ignore lint/suspicious/noExplicitAny: the message is any
    any
  : M extends Message<infer Name, infer Pattern, infer Body>
    ? ReceivedAs<Name, Pattern, Body>
    : never;

export const defineMessage = <const Name extends string, const Pattern extends SubjectPattern, Body>(
  message: Message<Name, Pattern, Body>,
): Message<Name, Pattern, Body> => message;

/** A message to publish: `output(agentReady, { agent_id }, { ... })`. Throws a SubjectError that names the offending token. */
export const output = <Name extends string, Pattern extends SubjectPattern, Body>(
  message: Message<Name, Pattern, Body>,
  params: SubjectParams<Pattern>,
  body: Body,
  headers?: Headers,
) => ({
  subject: buildSubject(message.subject, params),
  ...((message.body as z.ZodType) === opaque ? { raw: body as z.infer<typeof opaque> } : { body }),
  ...(headers && { headers }),
});
