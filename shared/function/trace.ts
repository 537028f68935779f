/** What a message hands on to the messages that it causes: W3C trace context, and document 002's request and trace ids. */
import { createHash } from 'node:crypto';
import type { BatchRecord, Headers } from '#shared/contract.ts';
import { headerOf } from '#shared/messages/headers.ts';

const HANDED_ON = ['X-Request-ID', 'X-Trace-ID', 'X-Priority', 'tracestate'];

/**
 * The headers of every output of a record. The span id is made from the record, not drawn: an output that is decided
 * again must be the same message.
 */
export const carriedHeaders = (record: BatchRecord, functionName: string): Headers | undefined => {
  let carried: Headers | undefined;
  for (const name in record.headers) {
    const known = HANDED_ON.find((header) => header.toLowerCase() === name.toLowerCase());
    if (known) carried = { ...carried, [known]: record.headers[name] as string[] };
  }
  const [, version, traceId, , flags] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/.exec(headerOf(record.headers, 'traceparent') ?? '') ?? [];
  if (!traceId) return carried;
  const span = createHash('sha256').update(`${functionName}|${record.id}`).digest('hex').slice(0, 16);
  return { ...carried, traceparent: [`${version}-${traceId}-${span}-${flags}`] };
};
