/**
 * A binding's requests. Errors are answered as NATS micro services answer them, so that any client recognises them; each
 * subject is an endpoint of the function's micro service. A message without a reply subject is delivered as well; there is
 * just nobody to answer.
 *
 * A requester says with the header `X-Deadline`, an RFC 3339 time, until when it waits.
 */
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import * as z from 'zod';
import { systemClock } from '#shared/clock.ts';
import type { Headers } from '#shared/contract.ts';
import { headerOf } from '#shared/messages/headers.ts';
import type { Delivery, Source } from '../ports/ports.ts';
import { durableName, headersOf, natsHeaders } from '../ports/record.ts';
import { ERROR, ERROR_CODE, errorHeaders } from '../ports/service-error.ts';
import { type Endpoint, newEndpoint } from './micro-service.ts';
import { type Extra, type UnstoredSourceOptions, unstoredSource } from './unstored-source.ts';

export type RequestSource = Source & { endpoints: readonly Endpoint[] };

export const requestSource = (options: UnstoredSourceOptions): RequestSource => {
  const { nc, binding, subjects, clock = systemClock } = options;
  const endpoints = new Map(subjects.map((subject) => [subject, newEndpoint(binding, subject, durableName(binding))]));
  const source = unstoredSource('request', options, (msg, subject) => {
    const now = clock.now();
    const counted = count(endpoints.get(subject) as Endpoint, () => clock.now() - now);
    return {
      ...readDeadline(headersOf(msg), now),
      ...(msg.reply && { respond: respondTo(nc, msg, counted.answered) }),
      settled: counted.settled,
    };
  });
  return { ...source, endpoints: [...endpoints.values()] };
};

/** A request in its endpoint's counts. Its time ends with the last answer; without one, when it is settled. */
const count = (endpoint: Endpoint, elapsed: () => number) => {
  let counted: number | undefined;
  endpoint.requests++;
  const lap = () => {
    const all = elapsed();
    endpoint.milliseconds += all - (counted ?? 0);
    counted = all;
  };
  const answered = (headers: Headers | undefined) => {
    lap();
    const error = headers?.[ERROR]?.[0];
    if (error === undefined) return;
    endpoint.errors++;
    endpoint.lastError = `${headers?.[ERROR_CODE]?.[0] ?? ''}:${error}`;
  };
  const settled = () => {
    if (counted === undefined) lap();
  };
  return { answered, settled };
};

export const DEADLINE = 'X-Deadline';
const rfc3339 = z.iso.datetime({ offset: true });

const readDeadline = (headers: Headers, now: number): Pick<Extra, 'deadline' | 'refusal'> => {
  const text = headerOf(headers, DEADLINE);
  if (text === undefined) return {};
  if (!rfc3339.safeParse(text).success) {
    const message = `the header ${DEADLINE} is ${JSON.stringify(text)}: write a time like 2026-01-31T12:00:00.000Z`;
    return { refusal: { code: 'invalid_deadline', message } };
  }
  const deadline = Date.parse(text);
  if (deadline > now) return { deadline };
  return { deadline, refusal: { code: 'timeout', message: `the request came ${now - deadline} ms after its deadline ${text}` } };
};

type Answer = Parameters<NonNullable<Delivery['respond']>>[0];

/** Answers a request, with the error headers of NATS micro services where it is an error. `sent` is told the headers of each answer. */
export const respondTo = (nc: NatsConnection, msg: Msg, sent?: (headers: Headers | undefined) => void) => (answer: Answer) => {
  const send = (answer: Answer) => {
    const headers = 'error' in answer ? errorHeaders(answer.error) : answer.headers;
    const data = 'error' in answer ? JSON.stringify(answer) : answer.data;
    nc.publish(msg.reply as string, data, headers ? { headers: natsHeaders(headers) } : {});
    sent?.(headers);
  };
  try {
    send(answer);
  } catch (error) {
    if (nc.isClosed()) return;
    send({ error: { code: 'unsendable_answer', message: `the answer cannot be sent: ${(error as Error).message}` } });
  }
};
