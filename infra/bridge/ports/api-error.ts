/** What JetStream's API says is wrong. */
import { JetStreamApiError } from '@nats-io/jetstream';

/** `codes`: the server's own error codes. */
export const isApiError = (error: unknown, ...codes: number[]): boolean => error instanceof JetStreamApiError && codes.includes(error.code);
