/**
 * What became of an invocation of a Lambda that brought no answer, in the terms of the bridge. The question is always the same:
 * was the function entered? Lambda says so where it refuses; where nothing was sent it was not; in any other case nobody knows.
 */
import { InvokeError, type InvokeFailure } from '../ports/ports.ts';

/** An error of the SDK or of Node: with a status where something answered, with a name of Lambda's where that was Lambda. */
type Failure = Error & { code?: string; syscall?: string; $fault?: string; $metadata?: { httpStatusCode?: number } };

const CONNECTING = new Set(['connect', 'getaddrinfo']);
const NO_CREDENTIALS = new Set(['CredentialsProviderError', 'TokenProviderError']);

const wasNeverSent = ({ name, code, syscall, message }: Failure): boolean =>
  NO_CREDENTIALS.has(name) ||
  message === 'Region is missing' ||
  CONNECTING.has(syscall ?? '') ||
  // Of all the addresses of a host.
  code === 'ECONNREFUSED' ||
  // The limit for a connection: that for an answer has a code.
  (name === 'TimeoutError' && code === undefined);

/** What stands between here and Lambda answers without a name, and does not know what happened behind it. */
const saidByLambda = ({ $fault, name }: Failure): boolean => $fault !== undefined && name !== 'Unknown';

const kindOf = (failure: Failure, status: number): InvokeFailure => {
  if (status === 429 || failure.name === 'EC2ThrottledException') return 'throttled';
  if (status === 413) return 'too_large';
  if (status >= 500) return saidByLambda(failure) ? 'unreachable' : 'timeout';
  return status >= 300 || wasNeverSent(failure) ? 'unreachable' : 'timeout';
};

const ADVICE: Partial<Record<InvokeFailure, string>> = {
  unreachable: ': correct its target, the endpoint or the permissions if this lasts',
  timeout: ': what it did is not known',
};

/** The failure that an answer of the API tells; `type` is its header for that. */
export const refusal = (status: number, type: string | string[] | undefined, body: string): Error => {
  const said = parsed(body) as { message?: string; Message?: string; __type?: string } | undefined;
  const name = (String(type ?? said?.__type ?? '').split(':')[0] ?? '').split('#').pop();
  const message = said?.message ?? said?.Message ?? '';
  return Object.assign(new Error(message), { name: name || 'Unknown', $fault: 'service', $metadata: { httpStatusCode: status } });
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
};

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** Of what the client threw; `target` is what was called. */
export const invokeError = (functionName: string, target: string, cause: unknown): InvokeError => {
  if (cause instanceof InvokeError) return cause;
  const failure = cause as Failure;
  const status = failure.$metadata?.httpStatusCode ?? 0;
  const kind = kindOf(failure, status);
  const why = status >= 300 && !saidByLambda(failure) ? `HTTP ${status}` : `${failure.code ?? failure.name}: ${failure.message}`;
  return new InvokeError(kind, oneLine(`${functionName} (${target}) did not answer (${why})${ADVICE[kind] ?? ''}`), { cause });
};

/** Of what Lambda says where the function threw, died or was ended at its timeout: `{ errorType, errorMessage }`. */
export const functionError = (functionName: string, payload: string): InvokeError => {
  const said = parsed(payload) as { errorType?: string; errorMessage?: string } | undefined;
  const message = said?.errorMessage || said?.errorType || payload;
  // Ended from outside, it may have written just before.
  const kind = /Task timed out after [\d.]+ seconds/.test(message) ? 'timeout' : 'function_error';
  return new InvokeError(kind, oneLine(`${functionName} failed: ${message}`));
};
