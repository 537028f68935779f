/** NATS messages in the terms of the contract: names, headers and records. */
import { isUtf8 } from 'node:buffer';
import { type Msg, type MsgHdrs, MsgHdrsImpl } from '@nats-io/transport-node';
import type { BatchRecord, Headers } from '#shared/contract.ts';

/** The name of a binding's durable consumer or queue group: `failure-handler.failures` is `failure-handler_failures`. */
export const durableName = (binding: string): string => binding.replace(/[^A-Za-z0-9_-]/g, '_');

export type Arrival = {
  /** What the sequence counts in: `<stream>@<created>`, or what stands for it where there is no stream. */
  origin: string;
  sequence: number;
  /** Epoch ms. */
  timestamp: number;
  deliveries: number;
  reply?: string;
};

/**
 * What the ack subject of a JetStream message tells: `...<delivered>.<stream sequence>.<consumer sequence>.<timestamp ns>.<pending>`
 * after 4 tokens, or after 6 and with a token behind it (ADR-15).
 */
export const parseAck = (reply: string): { deliveries: number; sequence: number /** Epoch ms. */; timestamp: number; pending: number } => {
  const tokens = reply.split('.');
  const at = tokens.length === 9 ? 4 : 6;
  return {
    deliveries: Number(tokens[at]),
    sequence: Number(tokens[at + 1]),
    timestamp: Number((tokens[at + 3] as string).slice(0, -6)),
    pending: Number(tokens[at + 4]),
  };
};

export const batchRecord = (
  msg: Pick<Msg, 'subject' | 'data' | 'headers'>,
  { origin, sequence, timestamp, deliveries, reply }: Arrival,
): BatchRecord => ({
  id: `${origin}:${sequence}:${timestamp}`,
  subject: msg.subject,
  ...encoded(msg.data),
  headers: headersOf(msg),
  ...(reply && { reply }),
  sequence,
  deliveries,
  timestamp: new Date(timestamp).toISOString(),
});

/** None where they are not what NATS headers may be: the client throws only when they are read, in the middle of its own reader. */
export const headersOf = (msg: { readonly headers?: MsgHdrs | undefined }): Headers => {
  try {
    return msg.headers ? Object.fromEntries(msg.headers) : {};
  } catch {
    return {};
  }
};

const encoded = (data: Uint8Array): Pick<BatchRecord, 'data' | 'encoding'> => {
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const encoding = isUtf8(buffer) ? 'utf8' : 'base64';
  return { data: buffer.toString(encoding), encoding };
};

/** Bytes of a record in a Lambda's payload: base64, JSON escapes and the comma behind it counted. */
export const payloadBytes = (record: BatchRecord): number => Buffer.byteLength(JSON.stringify(record)) + 1;

/** Bytes of payload and headers. */
export const bytesOf = (msg: Msg): number => {
  let bytes = msg.data.length;
  for (const [name, values] of Object.entries(headersOf(msg))) for (const value of values) bytes += name.length + value.length + 4;
  return bytes;
};

const HEADER_NAME = /^[!-9;-~]+$/;
const LINE_BREAK = /[\r\n]/;

/** Throws an Error that names the header which cannot go over the wire. */
export const natsHeaders = (headers: Headers): MsgHdrs => {
  for (const [name, values] of Object.entries(headers)) {
    if (!HEADER_NAME.test(name)) throw new Error(`the header name ${JSON.stringify(name)} has a character that NATS does not take`);
    if (values.some((value) => LINE_BREAK.test(value))) throw new Error(`the header ${name} has a line break in its value; remove it`);
  }
  return MsgHdrsImpl.fromRecord(headers);
};
