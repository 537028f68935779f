/**
 * What is sent of a notification, and what an answer means. Webhooks are those of the Standard Webhooks specification
 * (github.com/standard-webhooks): `webhook-id` is the same at every attempt, so a receiver that keeps the ids takes each
 * notification once. Pure.
 */
import { createHmac } from 'node:crypto';
import { iso } from '#shared/iso.ts';
import type { Notification } from '#shared/messages/alert.ts';

/** `at`: when the notification was published, epoch ms. */
export type Told = { id: string; at: number; notification: Notification };

export type Request = { body: string; headers: Record<string, string> };

/** `retry`: ms to wait, where the receiver says so. */
export type Outcome = { outcome: 'sent' } | { outcome: 'retry'; why: string; afterMs?: number } | { outcome: 'refused'; why: string };

const PREFIX = 'whsec_';
/** What the bridge takes. */
const MAX_RETRY_AFTER_MS = 86_400_000;
/** SNS takes less than 100 characters of ASCII in a subject. */
const MAX_SUBJECT = 99;
const BY_AND_BY = new Set([408, 425, 429]);

/** The header `webhook-signature`. `timestamp`: the header `webhook-timestamp`, s. */
export const webhookSignature = (secret: string, id: string, timestamp: string, body: string): string => {
  const key = Buffer.from(secret.slice(PREFIX.length), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
};

/** `now`: epoch ms, of this attempt. */
export const webhookRequest = ({ id, at, notification }: Told, secret: string, now: number): Request => {
  const body = JSON.stringify({ type: `alert.${notification.status ?? 'firing'}`, timestamp: iso(at), data: notification });
  const timestamp = String(Math.floor(now / 1000));
  const signature = webhookSignature(secret, id, timestamp, body);
  const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature };
  return { body, headers: { 'content-type': 'application/json', ...headers } };
};

/** The form of SNS' `Publish`. */
export const publishForm = ({ notification }: Told, topic: string): string => {
  const { severity, status = 'firing', summary } = notification;
  const title = `[${severity}${status === 'resolved' ? ', resolved' : ''}] ${summary}`;
  const Subject = title.replace(/[^\x20-\x7e]/g, '?').slice(0, MAX_SUBJECT);
  const Message = `${summary}\n\n${JSON.stringify(notification, null, 2)}`;
  return new URLSearchParams({ Action: 'Publish', Version: '2010-03-31', TopicArn: topic, Subject, Message }).toString();
};

/** Of the header `Retry-After`: seconds or an HTTP date (RFC 9110, 10.2.3). */
const retryAfterMs = (value: string | null, now: number): number | undefined => {
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
};

/** The code of an error of SNS, which throttles with a 400, too. */
export const errorCode = (xml: string): string | undefined => /<Code>(\w+)<\/Code>/.exec(xml)?.[1];

export type Answered = { status: number; retryAfter: string | null; code?: string | undefined };

/** `where`: the receiver, as a log may say it. `now`: epoch ms. */
export const judge = (where: string, { status, retryAfter, code }: Answered, now: number): Outcome => {
  if (status >= 200 && status < 300) return { outcome: 'sent' };
  const why = `${where} answered ${status}${code === undefined ? '' : ` ${code}`}`;
  if (status < 500 && !BY_AND_BY.has(status) && !code?.includes('Throttl')) return { outcome: 'refused', why };
  const afterMs = retryAfterMs(retryAfter, now);
  return { outcome: 'retry', why, ...(afterMs !== undefined && { afterMs }) };
};

/** Of all receivers of a notification: as long as one may take it yet, it is tried again. */
export const together = (outcomes: readonly Outcome[]): Outcome => {
  const retries = outcomes.filter((one) => one.outcome === 'retry');
  const refused = outcomes.filter((one) => one.outcome === 'refused');
  const why = [...retries, ...refused].map((one) => one.why).join('; ');
  if (retries.length === 0) return refused.length === 0 ? { outcome: 'sent' } : { outcome: 'refused', why };
  const waits = retries.flatMap(({ afterMs }) => afterMs ?? []);
  return { outcome: 'retry', why, ...(waits.length > 0 && { afterMs: Math.max(...waits) }) };
};
