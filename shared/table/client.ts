/**
 * The DynamoDB client, made from the environment. Its time limits are part of the protocol: the bridge invokes again only
 * when no write of the earlier invocation can still land.
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ownEndpoint } from '#shared/own-endpoint.ts';

/** ms. An operation of the store that was begun before an invocation's deadline has no effect later than this after it. */
export const WRITE_MARGIN_MS = 5_000;
/** ms after its start at which an operation of the store sends nothing any more; what is on the way has the rest of the margin. */
export const OPERATION_MS = 4_000;
/** ms for one request to be answered. */
const REQUEST_MS = 1_500;
/** Requests for one call, the first included: the SDK tries again after throttles, server errors and lost connections. */
const ATTEMPTS = 4;
/** Lanes times calls in flight in each of them. */
const MAX_SOCKETS = 200;

type Environment = Record<string, string | undefined>;

export const tableClient = (environment: Environment = process.env): DynamoDBClient => {
  const client = new DynamoDBClient({
    ...ownEndpoint('DYNAMODB', environment),
    maxAttempts: ATTEMPTS,
    requestHandler: {
      requestTimeout: REQUEST_MS,
      // Without it the handler only warns.
      throwOnRequestTimeout: true,
      httpAgent: { maxSockets: MAX_SOCKETS },
      httpsAgent: { maxSockets: MAX_SOCKETS },
    },
  });
  // It copies every request and answer for a logger that is not there: 40 % of the CPU of a read.
  client.middlewareStack.remove('loggerMiddleware');
  return client;
};
