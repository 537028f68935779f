/** Errors as NATS micro services answer them (ADR-32), so that any client recognises them. */
import type { ErrorBody, Headers } from '#shared/contract.ts';

export const ERROR = 'Nats-Service-Error';
export const ERROR_CODE = 'Nats-Service-Error-Code';

/** The numbers that micro service clients know for codes of ours. */
const HTTP_CODES = new Map([
  ['not_found', 404],
  ['too_many', 429],
  ['timeout', 504],
]);
const httpCode = (code: string): number => (code.startsWith('invalid_') ? 400 : (HTTP_CODES.get(code) ?? 500));

/** What marks an answer as an error for a client of micro services. */
export const errorHeaders = ({ code, message }: ErrorBody): Headers => ({
  [ERROR]: [message.replace(/\s+/g, ' ')],
  [ERROR_CODE]: [String(httpCode(code))],
});
