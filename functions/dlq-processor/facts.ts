/** What a dead letter or an advisory says of a message that was given up: which one it was, where, and why. Pure. */
import { contentId } from '#shared/content-id.ts';
import type { Headers } from '#shared/contract.ts';
import type { deadLetter, maxDeliveries, messageTerminated } from '#shared/messages/dead-letter.ts';
import { headerOf } from '#shared/messages/headers.ts';
import type { Received } from '#shared/messages/message.ts';

/** On a replay: the record that the letter was at first. */
export const ORIGIN_HEADER = 'X-Dead-Letter-Origin';
export const RETRY_HEADER = 'X-Retry-Count';

export const isDeadLetterHeader = (name: string): boolean => /^x-dead-letter-/i.test(name);
/** Headers that tell the server or the bridge what to do with a message, not its reader. */
export const isControlHeader = (name: string): boolean => /^(nats-|x-published-by$)/i.test(name);

export type Arrival = Received<typeof deadLetter>;
export type AdvisoryArrival = Received<typeof maxDeliveries | typeof messageTerminated>;

export type Facts = {
  /** The record that was given up first, before any replay. */
  origin: string;
  /** This time that it was given up; all parts of a large letter have the same. */
  occurrence: string;
  part: { n: number; of: number };
  subject: string;
  function: string;
  stream: string;
  sequence: number;
  consumer: string;
  code: string;
  reason: string;
  attempts: number;
  /** Replays that the message had when it was given up. */
  retries: number;
  /** First and last attempt, epoch ms. */
  firstAt: number;
  lastAt: number;
  /** When the letter came, epoch ms. */
  cameAt: number;
};

/** `dlq:<consumer>:<record id>`, and the number of the part where there are several. */
const MESSAGE_ID = /^dlq:([^:]+):([^:]+:\d+:\d+)(?::\d+)?$/;

const wholeNumber = (text: string | undefined, otherwise: number): number => (text && /^\d+$/.test(text) ? Number(text) : otherwise);
const timeOr = (text: string | undefined, otherwise: number): number => {
  const time = Date.parse(text ?? '');
  return Number.isNaN(time) ? otherwise : time;
};

const partOf = (headers: Headers): { n: number; of: number } => {
  const [, n = '1', of = '1'] = /^(\d+)\/(\d+)$/.exec(headerOf(headers, 'X-Dead-Letter-Part') ?? '') ?? [];
  return { n: Number(n), of: Number(of) };
};

/** Anybody may publish a dead letter: what it does not say is unknown, and its content says which one it is. */
export const factsOfLetter = ({ params, headers, body, sentAt }: Arrival): Facts => {
  const said = (name: string) => headerOf(headers, `X-Dead-Letter-${name}`);
  const [, consumer = '', record] = MESSAGE_ID.exec(headerOf(headers, 'Nats-Msg-Id') ?? '') ?? [];
  const occurrence = record === undefined ? contentId({ ...params, ...body, sentAt }) : contentId({ consumer, record });
  return {
    origin: headerOf(headers, ORIGIN_HEADER) ?? record ?? occurrence,
    occurrence,
    part: partOf(headers),
    subject: said('Subject') ?? params.subject,
    function: said('Function') ?? 'unknown',
    stream: said('Stream') ?? '',
    sequence: wholeNumber(said('Sequence'), 0),
    consumer: said('Consumer') ?? '',
    code: said('Code') ?? 'unknown',
    reason: said('Reason') ?? '',
    attempts: wholeNumber(said('Attempts'), 0),
    retries: wholeNumber(headerOf(headers, RETRY_HEADER), 0),
    firstAt: timeOr(said('First-At'), sentAt),
    lastAt: timeOr(said('Last-At'), sentAt),
    cameAt: sentAt,
  };
};

export const factsOfAdvisory = ({ message, subject, body, sentAt }: AdvisoryArrival): Facts => {
  const { stream, consumer, stream_seq, deliveries, reason } = body;
  const at = timeOr(body.timestamp, sentAt);
  const gaveUp = message === 'maxDeliveries' ? 'it was delivered as often as the consumer allows' : 'its consumer refused it for good';
  return {
    origin: `${stream}:${stream_seq}`,
    occurrence: contentId({ advisory: body.id }),
    part: { n: 1, of: 1 },
    subject,
    function: consumer,
    stream,
    sequence: stream_seq,
    consumer: `${stream}/${consumer}`,
    code: message === 'maxDeliveries' ? 'max_deliveries' : 'terminated',
    reason: reason ?? gaveUp,
    attempts: deliveries,
    retries: 0,
    firstAt: at,
    lastAt: at,
    cameAt: sentAt,
  };
};

/** A message that several functions gave up is a letter for each; its replay, given up again, is the same letter. */
export const letterId = ({ origin, function: name }: Pick<Facts, 'origin' | 'function'>): string => contentId({ origin, function: name });
