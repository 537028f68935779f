/** Child items: written and deleted without a condition, since their names make writing them again the same write. */
import { BatchWriteItemCommand, type WriteRequest } from '@aws-sdk/client-dynamodb';
import { MAX_ITEM_BYTES, type Store, type StoredChild } from '#shared/entity/store.ts';
import { backoff, calling, inParallel, inPieces, operationLimit, type Table } from './calls.ts';
import { bytesOf, type ChildAttributes, childAttributesOf, childKeyOf, childOf, childSortKey, childTooLarge } from './items.ts';
import { query } from './queries.ts';

const WRITES_A_CALL = 25;
/** A request may have 16 MB; a string of quotes is twice as long on the way. */
const CALL_BYTES = 4_000_000;

export const putChildren = async (table: Table, children: readonly StoredChild[]): Promise<void> => {
  const writes = onePerItem(children).map((child) => {
    const Item = childAttributesOf(child);
    const bytes = bytesOf(Item);
    if (bytes > MAX_ITEM_BYTES) throw childTooLarge(child, bytes);
    return { request: { PutRequest: { Item } }, bytes };
  });
  await writeAll(table, writes);
};

export const deleteChildren = async (table: Table, children: readonly Pick<StoredChild, 'key' | 'name'>[]): Promise<void> =>
  writeAll(
    table,
    onePerItem(children).map((child) => ({ request: { DeleteRequest: { Key: childKeyOf(child) } }, bytes: 0 })),
  );

/** DynamoDB refuses a call that names an item twice: the last one counts. */
const onePerItem = <C extends Pick<StoredChild, 'key' | 'name'>>(children: readonly C[]): C[] => [
  ...new Map(children.map((child) => [`${child.key} ${child.name}`, child])).values(),
];

const writeAll = async (table: Table, writes: readonly { request: WriteRequest; bytes: number }[]): Promise<void> => {
  const limit = operationLimit();
  const pieces = inPieces(writes, WRITES_A_CALL, CALL_BYTES, (write) => write.bytes);
  const writePiece = async (requests: WriteRequest[]) => {
    const wait = backoff(table);
    let pending = requests;
    while (true) {
      const command = new BatchWriteItemCommand({ RequestItems: { [table.tableName]: pending } });
      const { UnprocessedItems } = await calling(table, () => table.client.send(command, limit));
      pending = UnprocessedItems?.[table.tableName] ?? [];
      if (pending.length === 0) return;
      await wait();
    }
  };
  await inParallel(pieces.map((piece) => () => writePiece(piece.map((write) => write.request))));
};

/** Children whose name begins with `prefix`, without those that have expired: the table deletes them days later. */
export const readChildren: (table: Table, ...args: Parameters<Store['children']>) => Promise<StoredChild[]> = async (
  table,
  key,
  prefix,
  { after, limit = Infinity } = {},
) => {
  const children: StoredChild[] = [];
  const found = query<ChildAttributes>(table, {
    ConsistentRead: true,
    KeyConditionExpression: 'pk = :key AND sk BETWEEN :first AND :last',
    ExpressionAttributeValues: {
      ':key': { S: key },
      ':first': { S: childSortKey(after !== undefined && after > prefix ? after : prefix) },
      ':last': { S: childSortKey(`${prefix}\u{10ffff}`) },
    },
    // One more than wanted: the first may be `after` itself.
    ...(Number.isFinite(limit) && { Limit: limit + 1 }),
  });
  for await (const attributes of found) {
    const child = childOf(attributes);
    if (child.name === after || (child.expiresAt ?? Infinity) <= table.clock.now()) continue;
    children.push(child);
    if (children.length >= limit) break;
  }
  return children;
};
