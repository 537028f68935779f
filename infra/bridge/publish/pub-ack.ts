/** A stream's answer to a publish. */
import type { Msg } from '@nats-io/transport-node';
import { PublishError } from '../ports/ports.ts';

/** `batch` is the id of the atomic batch that was stored, `seq` its last message's. */
export type PubAck = { stream: string; seq: number; batch?: string };
type ApiError = { code: number; err_code: number; description: string };

/** Undefined where it is not a stream's answer but that of somebody who replied to the message. */
export const readPubAck = (msg: Msg): PubAck | { error: ApiError } | undefined => {
  try {
    const answer = JSON.parse(msg.string());
    return typeof answer?.error?.err_code === 'number' || typeof answer?.seq === 'number' ? answer : undefined;
  } catch {
    return undefined;
  }
};

/** The server's 400s say that this message will never be taken; all else (full, no leader, too busy, switched off) may pass. */
export const refusal = (subject: string, { code, err_code, description }: ApiError): PublishError =>
  new PublishError(`${subject}: the server refused it: ${description} (${err_code})`, code !== 400);
