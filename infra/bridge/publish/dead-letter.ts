/**
 * Dead letters: what no function could take, on `dlq.<original subject>` with the original bytes and headers and with
 * where it came from and why it is here in headers of its own.
 */
import type { BatchRecord, ErrorBody, Headers } from '#shared/contract.ts';
import { buildSubject, subjects } from '#shared/subjects.ts';
import type { Outgoing } from '../ports/ports.ts';

export type DeadLetterFacts = {
  record: BatchRecord;
  stream: string;
  consumer: string;
  functionName: string;
  attempts: number;
  /** Epoch ms. */
  firstAt: number;
  lastAt: number;
  reason: ErrorBody;
};

/** A header value is one line; a long reason is cut. */
const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim().slice(0, 500);

/** Headers that would tell the server what to do with the copy. */
const isControl = (name: string): boolean => name.toLowerCase().startsWith('nats-');

export const deadLetterHeaders = (facts: DeadLetterFacts): Headers => ({
  ...Object.fromEntries(Object.entries(facts.record.headers).filter(([name]) => !isControl(name))),
  'X-Dead-Letter-Subject': [facts.record.subject],
  'X-Dead-Letter-Stream': [facts.stream],
  'X-Dead-Letter-Sequence': [String(facts.record.sequence)],
  'X-Dead-Letter-Consumer': [facts.consumer],
  'X-Dead-Letter-Function': [facts.functionName],
  'X-Dead-Letter-Attempts': [String(facts.attempts)],
  'X-Dead-Letter-First-At': [new Date(facts.firstAt).toISOString()],
  'X-Dead-Letter-Last-At': [new Date(facts.lastAt).toISOString()],
  'X-Dead-Letter-Code': [oneLine(facts.reason.code)],
  'X-Dead-Letter-Reason': [oneLine(facts.reason.message)],
});

const bytesOf = (headers: Headers): number =>
  Object.entries(headers).reduce(
    (sum, [name, values]) => sum + values.reduce((s, value) => s + Buffer.byteLength(name + value) + 4, 0),
    20,
  );

/** The messages of a dead letter: one, or several parts (`X-Dead-Letter-Part: 1/2`) where its own headers leave the payload too little room. */
export const deadLetter = (facts: DeadLetterFacts, maxBytes: number): Outgoing[] => {
  const { record } = facts;
  const payload = Buffer.from(record.data, record.encoding);
  const subject = buildSubject(subjects.deadLetter, { subject: record.subject });
  const headers = deadLetterHeaders(facts);
  const messageId = `dlq:${facts.consumer}:${record.id}`;
  const room = maxBytes - bytesOf(headers) - messageId.length - 100;
  if (payload.length <= room) return [{ subject, data: payload, headers, messageId }];
  const size = Math.max(1, room);
  const count = Math.ceil(payload.length / size);
  return Array.from({ length: count }, (_, n) => ({
    subject,
    data: payload.subarray(n * size, (n + 1) * size),
    headers: { ...headers, 'X-Dead-Letter-Part': [`${n + 1}/${count}`] },
    messageId: `${messageId}:${n + 1}`,
  }));
};
