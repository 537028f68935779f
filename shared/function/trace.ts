/** What a message hands on to the messages that it causes: W3C trace context, and document 002's request and trace ids. */
import { createHash } from 'node:crypto';
import type { BatchRecord, Headers } from '#shared/contract.ts';
import { headerOf } from '#shared/messages/headers.ts';

const HANDED_ON = ['X-Request-ID', 'X-Trace-ID', 'X-Priority', 'tracestate'];

/** Ids and flags in lower-case hex, as W3C Trace Context has them. */
export type TraceParent = { version: string; traceId: string; spanId: string; flags: string };

/** undefined where there is no `traceparent`, or none that can be read. */
export const traceParentOf = (headers: Headers): TraceParent | undefined => {
  const header = headerOf(headers, 'traceparent');
  const [, version, traceId, spanId, flags] = (header && /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/.exec(header)) || [];
  return version && traceId && spanId && flags ? { version, traceId, spanId, flags } : undefined;
};

/** The span in which a function processes a record. Made from the record, not drawn: an output that is decided again must be the same message. */
export const processSpanId = (functionName: string, recordId: string): string =>
  createHash('sha256').update(`${functionName}|${recordId}`).digest('hex').slice(0, 16);

/** The headers of every output of a record. */
export const carriedHeaders = (record: BatchRecord, functionName: string): Headers | undefined => {
  let carried: Headers | undefined;
  for (const name in record.headers) {
    const known = HANDED_ON.find((header) => header.toLowerCase() === name.toLowerCase());
    if (known) carried = { ...carried, [known]: record.headers[name] as string[] };
  }
  const parent = traceParentOf(record.headers);
  if (!parent) return carried;
  const { version, traceId, flags } = parent;
  return { ...carried, traceparent: [`${version}-${traceId}-${processSpanId(functionName, record.id)}-${flags}`] };
};
