/** The engine's store on DynamoDB. docs/table.md says how it uses the table. */
import { type AttributeValue, BatchGetItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { type Clock, systemClock } from '#shared/clock.ts';
import type { EntityKey } from '#shared/entity/key.ts';
import type { Item, Store } from '#shared/entity/store.ts';
import { backoff, calling, inParallel, inPieces, operationLimit, type Table } from './calls.ts';
import { deleteChildren, putChildren, readChildren } from './children.ts';
import { type ItemAttributes, itemOf, STATE } from './items.ts';
import { findByLookup, findOverdue } from './queries.ts';
import { writeUnits } from './writes.ts';

const KEYS_A_CALL = 100;

/** Errors are TableErrors of one sentence. `clock` waits between retries and says which children have expired. */
export const dynamodbStore = (of: { client: DynamoDBClient; tableName: string; clock?: Clock }): Store => {
  const table: Table = { client: of.client, tableName: of.tableName, clock: of.clock ?? systemClock };
  return {
    load: (keys) => load(table, keys),
    write: (units) => writeUnits(table, units),
    putChildren: (children) => putChildren(table, children),
    deleteChildren: (children) => deleteChildren(table, children),
    children: (key, prefix, page) => readChildren(table, key, prefix, page),
    lookup: (value, page) => findByLookup(table, value, page),
    overdue: (time, limit) => findOverdue(table, time, limit),
  };
};

const load = async (table: Table, keys: readonly EntityKey[]): Promise<Map<EntityKey, Item>> => {
  const items = new Map<EntityKey, Item>();
  const limit = operationLimit();
  const loadPiece = async (piece: EntityKey[]) => {
    const wait = backoff(table);
    let pending: Record<string, AttributeValue>[] = piece.map((key) => ({ pk: { S: key }, sk: { S: STATE } }));
    while (true) {
      const command = new BatchGetItemCommand({ RequestItems: { [table.tableName]: { ConsistentRead: true, Keys: pending } } });
      const answer = await calling(table, () => table.client.send(command, limit));
      for (const attributes of answer.Responses?.[table.tableName] ?? []) {
        const item = itemOf(attributes as ItemAttributes);
        items.set(item.key, item);
      }
      pending = answer.UnprocessedKeys?.[table.tableName]?.Keys ?? [];
      if (pending.length === 0) return;
      await wait();
    }
  };
  await inParallel(inPieces([...new Set(keys)], KEYS_A_CALL).map((piece) => () => loadPiece(piece)));
  return items;
};
