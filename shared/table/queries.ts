/** Queries on the table and its indexes, page by page. */
import { QueryCommand, type QueryCommandInput } from '@aws-sdk/client-dynamodb';
import type { EntityKey } from '#shared/entity/key.ts';
import { calling, operationLimit, type Table } from './calls.ts';
import { LOOKUP_INDEX, SWEEP_INDEX } from './definition.ts';
import { SWEEP_SHARDS } from './items.ts';

/** What a query finds, in the order of its sort key. The next page is read only when it is asked for. */
export async function* query<Attributes>(table: Table, input: Omit<QueryCommandInput, 'TableName'>): AsyncGenerator<Attributes> {
  let start: QueryCommandInput['ExclusiveStartKey'];
  do {
    const command = new QueryCommand({ TableName: table.tableName, ...input, ExclusiveStartKey: start });
    const page = await calling(table, () => table.client.send(command, operationLimit()));
    yield* (page.Items ?? []) as Attributes[];
    start = page.LastEvaluatedKey;
  } while (start);
}

/** Distinct keys of the entities, or parents of children, that have this lookup value, in order. */
export const findByLookup = async (
  table: Table,
  value: string,
  { after, limit = Infinity }: { after?: EntityKey; limit?: number } = {},
): Promise<EntityKey[]> => {
  const keys = new Set<EntityKey>();
  const found = query<{ pk: { S: EntityKey } }>(table, {
    IndexName: LOOKUP_INDEX,
    KeyConditionExpression: after === undefined ? 'lookup = :value' : 'lookup = :value AND pk > :after',
    ExpressionAttributeValues: { ':value': { S: value }, ...(after !== undefined && { ':after': { S: after } }) },
    ...(Number.isFinite(limit) && { Limit: limit }),
  });
  for await (const { pk } of found) {
    keys.add(pk.S);
    if (keys.size >= limit) break;
  }
  return [...keys];
};

/** Keys of the entities whose time for the sweep has come, the longest overdue first. */
export const findOverdue = async (table: Table, time: number, limit: number): Promise<EntityKey[]> => {
  const ofShard = async (shard: number) => {
    const due: { key: EntityKey; at: number }[] = [];
    const found = query<{ pk: { S: EntityKey }; sweep_at: { N: string } }>(table, {
      IndexName: SWEEP_INDEX,
      KeyConditionExpression: 'sweep = :shard AND sweep_at <= :time',
      ExpressionAttributeValues: { ':shard': { S: String(shard) }, ':time': { N: String(time) } },
      Limit: limit,
    });
    for await (const { pk, sweep_at } of found) {
      due.push({ key: pk.S, at: Number(sweep_at.N) });
      if (due.length >= limit) break;
    }
    return due;
  };
  const shards = await Promise.all(Array.from({ length: SWEEP_SHARDS }, (_, shard) => ofShard(shard)));
  return shards
    .flat()
    .sort((a, b) => a.at - b.at || (a.key < b.key ? -1 : 1))
    .slice(0, limit)
    .map(({ key }) => key);
};
