/**
 * The table as data, for the local stack and for CloudFormation, and the code that creates it where nothing else does.
 * docs/table.md says what the keys and indexes hold.
 */
import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  type DynamoDBClient,
  ResourceInUseException,
  ResourceNotFoundException,
  type TableDescription,
  UpdateTimeToLiveCommand,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import { TableError, toTableError, whereIs } from './errors.ts';

export const LOOKUP_INDEX = 'lookup';
export const SWEEP_INDEX = 'sweep';
/** Epoch seconds. */
export const TTL_ATTRIBUTE = 'expires_at';

export const tableDefinition = {
  BillingMode: 'PAY_PER_REQUEST',
  AttributeDefinitions: [
    { AttributeName: 'pk', AttributeType: 'S' },
    { AttributeName: 'sk', AttributeType: 'S' },
    { AttributeName: 'lookup', AttributeType: 'S' },
    { AttributeName: 'sweep', AttributeType: 'S' },
    { AttributeName: 'sweep_at', AttributeType: 'N' },
  ],
  KeySchema: [
    { AttributeName: 'pk', KeyType: 'HASH' },
    { AttributeName: 'sk', KeyType: 'RANGE' },
  ],
  GlobalSecondaryIndexes: [
    {
      IndexName: LOOKUP_INDEX,
      KeySchema: [
        { AttributeName: 'lookup', KeyType: 'HASH' },
        { AttributeName: 'pk', KeyType: 'RANGE' },
      ],
      Projection: { ProjectionType: 'KEYS_ONLY' },
    },
    {
      IndexName: SWEEP_INDEX,
      KeySchema: [
        { AttributeName: 'sweep', KeyType: 'HASH' },
        { AttributeName: 'sweep_at', KeyType: 'RANGE' },
      ],
      Projection: { ProjectionType: 'KEYS_ONLY' },
    },
  ],
} satisfies Omit<CreateTableCommandInput, 'TableName'>;

/** Creates the table if there is none. Throws a TableError when it cannot, or when a table of this name has another shape. */
export const ensureTable = async (client: DynamoDBClient, tableName: string): Promise<void> => {
  const where = await whereIs(client);
  try {
    let table = (await describe(client, tableName)) ?? (await create(client, tableName));
    const wrong = differences(table);
    if (wrong.length > 0)
      throw new TableError(`table ${tableName} at ${where} has another ${wrong.join(' and ')}: set TABLE_NAME to a new name, or delete it`);
    if (table.TableStatus !== 'ACTIVE') table = await active(client, tableName);
    await expire(client, tableName);
  } catch (error) {
    throw toTableError(error, tableName, where);
  }
};

/** What a table of this name has that is not as it should be; nothing where there is no table. Throws a TableError when that cannot be known. */
export const tableDifferences = async (client: DynamoDBClient, tableName: string): Promise<string[]> => {
  try {
    const table = await describe(client, tableName);
    return table ? differences(table) : [];
  } catch (error) {
    throw toTableError(error, tableName, await whereIs(client));
  }
};

const describe = async (client: DynamoDBClient, TableName: string): Promise<TableDescription | undefined> => {
  try {
    return (await client.send(new DescribeTableCommand({ TableName }))).Table;
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return undefined;
    throw error;
  }
};

const create = async (client: DynamoDBClient, TableName: string): Promise<TableDescription> => {
  try {
    return (await client.send(new CreateTableCommand({ TableName, ...tableDefinition }))).TableDescription ?? {};
  } catch (error) {
    // Somebody else was first.
    if (error instanceof ResourceInUseException) return (await describe(client, TableName)) ?? {};
    throw error;
  }
};

const active = async (client: DynamoDBClient, TableName: string): Promise<TableDescription> => {
  await waitUntilTableExists({ client, minDelay: 0.1, maxDelay: 2, maxWaitTime: 60 }, { TableName });
  return (await describe(client, TableName)) ?? {};
};

const expire = async (client: DynamoDBClient, TableName: string): Promise<void> => {
  const { TimeToLiveDescription } = await client.send(new DescribeTimeToLiveCommand({ TableName }));
  const status = TimeToLiveDescription?.TimeToLiveStatus;
  if (status === 'ENABLED' || status === 'ENABLING') return;
  await client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification: { Enabled: true, AttributeName: TTL_ATTRIBUTE } }));
};

type KeySchema = TableDescription['KeySchema'];

const differences = (table: TableDescription): string[] => {
  const types = new Map(table.AttributeDefinitions?.map((attribute) => [attribute.AttributeName, attribute.AttributeType]));
  const shape = (keys: KeySchema) => JSON.stringify(keys?.map((key) => [key.KeyType, key.AttributeName, types.get(key.AttributeName)]));
  const wanted = (keys: KeySchema) =>
    JSON.stringify(
      keys?.map((key) => {
        const type = tableDefinition.AttributeDefinitions.find((attribute) => attribute.AttributeName === key.AttributeName);
        return [key.KeyType, key.AttributeName, type?.AttributeType];
      }),
    );
  const wrong = shape(table.KeySchema) === wanted(tableDefinition.KeySchema) ? [] : ['primary key'];
  for (const index of tableDefinition.GlobalSecondaryIndexes) {
    const there = table.GlobalSecondaryIndexes?.find((other) => other.IndexName === index.IndexName);
    if (shape(there?.KeySchema) !== wanted(index.KeySchema)) wrong.push(`index '${index.IndexName}'`);
  }
  return wrong;
};
