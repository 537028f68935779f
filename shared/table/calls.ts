/** How the store calls DynamoDB: in pieces that its limits allow, a few at a time, again after a throttle, never for long. */
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { type Clock, sleep } from '#shared/clock.ts';
import { OPERATION_MS } from './client.ts';
import { TableError, toTableError, whereIs } from './errors.ts';

export type Table = { client: DynamoDBClient; tableName: string; clock: Clock };

const CALLS_AT_ONCE = 4;
const RETRIES = 8;

/** Every call of one operation of the store shares it: after it nothing more is sent. */
export const operationLimit = (): { abortSignal: AbortSignal } => ({ abortSignal: AbortSignal.timeout(OPERATION_MS) });

/** Waits before a retry, longer each time, with full jitter. Throws a TableError when the retries are used up. */
export const backoff = ({ clock, tableName }: Table): (() => Promise<void>) => {
  let retry = 0;
  return async () => {
    if (retry === RETRIES) throw new TableError(`table ${tableName} throttles: ${RETRIES} retries did not help`);
    await sleep(clock, Math.random() * Math.min(1000, 25 * 2 ** retry++));
  };
};

/** Runs `call`; what it throws becomes a TableError. */
export const calling = async <T>(table: Table, call: () => Promise<T>): Promise<T> => {
  try {
    return await call();
  } catch (error) {
    throw toTableError(error, table.tableName, await whereIs(table.client));
  }
};

/** Runs all tasks, a few at a time. Rejects with the first error. */
export const inParallel = async (tasks: readonly (() => Promise<void>)[]): Promise<void> => {
  const waiting = tasks.values();
  const work = async () => {
    for (const task of waiting) await task();
  };
  await Promise.all(Array.from({ length: Math.min(CALLS_AT_ONCE, tasks.length) }, work));
};

/** Consecutive pieces of at most `count` elements and, where sizes are given, `bytes`. */
export const inPieces = <T>(all: readonly T[], count: number, bytes = Infinity, sizeOf: (one: T) => number = () => 0): T[][] => {
  const pieces: T[][] = [];
  let piece: T[] = [];
  let size = 0;
  for (const one of all) {
    if (piece.length === count || (piece.length > 0 && size + sizeOf(one) > bytes)) {
      pieces.push(piece);
      piece = [];
      size = 0;
    }
    piece.push(one);
    size += sizeOf(one);
  }
  return piece.length > 0 ? [...pieces, piece] : pieces;
};
