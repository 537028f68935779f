/**
 * Conditional writes of state items.
 *
 * A unit of one item is a PartiQL statement, 25 of them a call: `BatchWriteItem` takes no condition, and a call an item
 * costs seven times the client's CPU. Units of several items are transactions, and small ones share one: as long as none of
 * them conflicts that is one call for a hundred items. A conflict after a retry may be the writer's own write that landed;
 * the store does not judge, the engine compares the nonce.
 */
import {
  BatchExecuteStatementCommand,
  type BatchStatementError,
  ConditionalCheckFailedException,
  PutItemCommand,
  TransactionCanceledException,
  TransactionConflictException,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb';
import type { Item, Unit, WriteResult } from '#shared/entity/store.ts';
import { backoff, calling, inParallel, inPieces, operationLimit, type Table } from './calls.ts';
import { TableError } from './errors.ts';
import { attributesOf, bytesOf, type ItemAttributes, oversized } from './items.ts';
import { assertsNoLookup, statementOf } from './statements.ts';

const STATEMENTS_A_CALL = 25;
const ITEMS_A_TRANSACTION = 100;
/** A larger item is written alone: 25 of this size are well below what a request may be. */
const STATEMENT_BYTES = 100_000;

const THROTTLED = new Set<string | undefined>([
  'ProvisionedThroughputExceeded',
  'ThrottlingError',
  'RequestLimitExceeded',
  'InternalServerError',
  'TransactionConflict',
]);

type Write = { version: number; attributes: ItemAttributes };
type Single = Write & { settle: (result: WriteResult) => void };
type Joint = { writes: Write[]; settle: (result: WriteResult) => void };
type Limit = ReturnType<typeof operationLimit>;

/** One result a unit, in order. Never throws. */
export const writeUnits = async (table: Table, units: readonly Unit[]): Promise<WriteResult[]> => {
  const limit = operationLimit();
  const results: WriteResult[] = [];
  const statements: Single[] = [];
  const joints: Joint[] = [];
  const tasks: (() => Promise<void>)[] = [];
  for (const [index, unit] of units.entries()) {
    const settle = (result: WriteResult) => {
      results[index] = result;
    };
    const writes = writesOf(unit);
    if (writes instanceof Error) {
      settle({ result: 'failed', error: writes });
      continue;
    }
    const bytes = writes.map(({ attributes }) => bytesOf(attributes));
    const over = oversized(unit, bytes);
    const [write, ...more] = writes;
    if (!write) settle({ result: 'written' });
    else if (over) settle({ result: 'too_large', ...over });
    else if (more.length > 0 && bytes.some((size) => size > STATEMENT_BYTES))
      tasks.push(() => transactAll(table, [{ writes, settle }], limit));
    else if (more.length > 0) joints.push({ writes, settle });
    else if ((bytes[0] ?? 0) > STATEMENT_BYTES) tasks.push(async () => settle(await orFailed(put(table, write, limit))));
    else statements.push({ ...write, settle });
  }
  for (const piece of inPieces(statements, STATEMENTS_A_CALL)) tasks.push(() => execute(table, piece, limit));
  for (const piece of inPieces(joints, Infinity, ITEMS_A_TRANSACTION, ({ writes }) => writes.length))
    tasks.push(() => transactAll(table, piece, limit));
  await inParallel(tasks);
  return results;
};

/** A state that JSON cannot hold fails its unit only. */
const writesOf = (unit: Unit): Write[] | Error => {
  try {
    return unit.map((item: Item) => ({ version: item.version, attributes: attributesOf(item) }));
  } catch (error) {
    return error as Error;
  }
};

const orFailed = (write: Promise<WriteResult>): Promise<WriteResult> => write.catch((error: Error) => ({ result: 'failed', error }));

/** Settles every single. Never throws. */
const execute = async (table: Table, singles: readonly Single[], limit: Limit): Promise<void> => {
  const wait = backoff(table);
  let pending = singles;
  try {
    while (true) {
      const Statements = pending.map(({ version, attributes }) => statementOf(table.tableName, version, attributes));
      const { Responses } = await calling(table, () => table.client.send(new BatchExecuteStatementCommand({ Statements }), limit));
      const again: Single[] = [];
      const puts: Single[] = [];
      for (const [n, single] of pending.entries()) {
        const error = Responses?.[n]?.Error;
        if (THROTTLED.has(error?.Code)) again.push(single);
        else if (error?.Code === 'ConditionalCheckFailed' && assertsNoLookup(single.version, single.attributes)) puts.push(single);
        else single.settle(toResult(table, error));
      }
      pending = again;
      await inParallel(puts.map((single) => async () => single.settle(await orFailed(put(table, single, limit)))));
      if (pending.length === 0) return;
      await wait();
    }
  } catch (error) {
    for (const single of pending) single.settle({ result: 'failed', error: error as Error });
  }
};

const toResult = (table: Table, error: BatchStatementError | undefined): WriteResult => {
  if (!error) return { result: 'written' };
  if (error.Code === 'ConditionalCheckFailed' || error.Code === 'DuplicateItem') return { result: 'conflict' };
  return { result: 'failed', error: new TableError(`table ${table.tableName} refused a statement: ${error.Code}: ${error.Message}`) };
};

const conditionalPut = (table: Table, { version, attributes }: Write) => ({
  TableName: table.tableName,
  Item: attributes,
  ...(version === 1
    ? { ConditionExpression: 'attribute_not_exists(pk)' }
    : { ConditionExpression: 'version = :expected', ExpressionAttributeValues: { ':expected': { N: String(version - 1) } } }),
});

const put = async (table: Table, write: Write, limit: Limit): Promise<WriteResult> => {
  const command = new PutItemCommand(conditionalPut(table, write));
  const conflict = await conflictOf(table, table.client.send(command, limit));
  return { result: conflict ? 'conflict' : 'written' };
};

/** Waits for a call; a failed condition or a transaction under way on the item is an answer, all else is thrown as a TableError. */
const conflictOf = (table: Table, sent: Promise<unknown>): Promise<boolean> =>
  calling(table, async () => {
    try {
      await sent;
      return false;
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException || error instanceof TransactionConflictException) return true;
      throw error;
    }
  });

/** Settles every unit: in one transaction, or each in its own where that one does not go through. Never throws. */
const transactAll = async (table: Table, units: readonly Joint[], limit: Limit): Promise<void> => {
  const all = units.flatMap(({ writes }) => writes);
  const result = await orFailed(transact(table, all, limit));
  if (result.result === 'written' || units.length === 1) for (const { settle } of units) settle(result);
  else
    await inParallel(
      units.map(
        ({ writes, settle }) =>
          async () =>
            settle(await orFailed(transact(table, writes, limit))),
      ),
    );
};

const transact = async (table: Table, writes: readonly Write[], limit: Limit): Promise<WriteResult> => {
  const wait = backoff(table);
  const TransactItems = writes.map((write) => ({ Put: conditionalPut(table, write) }));
  while (true) {
    const reasons = await cancelled(table, table.client.send(new TransactWriteItemsCommand({ TransactItems }), limit));
    if (!reasons) return { result: 'written' };
    if (reasons.has('ConditionalCheckFailed') || reasons.has('TransactionConflict')) return { result: 'conflict' };
    if (![...reasons].some((reason) => THROTTLED.has(reason)))
      throw new TableError(`table ${table.tableName} refused a transaction: ${[...reasons].join(', ')}`);
    await wait();
  }
};

/** Why DynamoDB cancelled a transaction; undefined: it did not. */
const cancelled = (table: Table, sent: Promise<unknown>): Promise<Set<string | undefined> | undefined> =>
  calling(table, async () => {
    try {
      await sent;
      return undefined;
    } catch (error) {
      if (error instanceof TransactionCanceledException) return new Set(error.CancellationReasons?.map((reason) => reason.Code));
      throw error;
    }
  });
