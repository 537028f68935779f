import { CreateTableCommand, DescribeTimeToLiveCommand, GetItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { freePort } from '#infra/local/free-port.ts';
import type { Clock } from '#shared/clock.ts';
import type { EntityKey } from '#shared/entity/key.ts';
import { type Item, MAX_ITEM_BYTES, type Store } from '#shared/entity/store.ts';
import { tableClient } from '#shared/table/client.ts';
import { ensureTable, LOOKUP_INDEX, SWEEP_INDEX } from '#shared/table/definition.ts';
import { dynamodbStore } from '#shared/table/dynamodb-store.ts';
import { memoryStore } from '../sim/memory-store.ts';
import { anItem, itemsOf, newKey, storeContract } from '../support/store-contract.ts';
import { clientOf, setupTable, type TestTable } from '../support/table.ts';
import { type Behaviour, type Json, passing, startTableProxy, type TableProxy, throttled } from '../support/table-proxy.ts';

const hasty: Clock = {
  now: Date.now,
  after: (_ms, fn) => {
    const immediate = setImmediate(fn);
    return () => clearImmediate(immediate);
  },
};

let table: TestTable;
let tables = 0;
beforeAll(async () => {
  table = await setupTable();
});
afterAll(() => table.stop());

describe('the DynamoDB store', () => {
  storeContract(async (clock) => {
    const tableName = `contract-${++tables}`;
    await ensureTable(table.client, tableName);
    return dynamodbStore({ client: table.client, tableName, clock });
  });

  it('answers what the memory store answers, whatever is written to it', async () => {
    const key = fc.constantFrom<EntityKey>('model#a', 'model#b', 'model#c');
    const step = fc.tuple(fc.constantFrom(1, 1, 1, 2), key.chain(itemsOf)).map(([ahead, item]) => ({ ahead, item }));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const prefix = `${newKey()}-`;
        const memory = memoryStore();
        for (const { ahead, item } of steps) {
          const at = { ...item, key: `${prefix}${item.key.at(-1)}` as EntityKey };
          const version = ((await memory.load([at.key])).get(at.key)?.version ?? 0) + ahead;
          const expected = await memory.write([[{ ...at, version }]]);
          expect(await table.store.write([[{ ...at, version }]])).toEqual(expected);
          expect(await table.store.load([at.key])).toStrictEqual(await memory.load([at.key]));
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe("DynamoDB's limits", () => {
  let proxy: TableProxy;
  let store: Store;
  const callsSince = () => proxy.calls.splice(0);
  beforeAll(async () => {
    proxy = await startTableProxy(table.endpoint);
    const client = clientOf(proxy.endpoint);
    store = dynamodbStore({ client, tableName: table.tableName, clock: hasty });
    return () => client.destroy();
  });
  beforeEach(() => {
    proxy.behave(passing);
    callsSince();
  });
  afterAll(() => proxy.stop());

  /** Behaves so for the first request of an operation, then as the table does. */
  const once = (operation: string, behaviour: Behaviour): Behaviour => {
    let done = false;
    return (asked, body, forward) => {
      if (done || asked !== operation) return forward(body);
      done = true;
      return behaviour(asked, body, forward);
    };
  };
  const manyItems = (count: number) => Array.from({ length: count }, () => anItem());
  const writeAll = (items: Item[]) => store.write(items.map((item) => [item]));
  const everyOne = (items: Item[]) => new Map(items.map((item) => [item.key, item]));
  const load = (items: Item[]) => store.load(items.map((item) => item.key));

  it('splits 60 writes into 3 calls and 250 keys into 3', async () => {
    const items = manyItems(60);
    expect(await writeAll(items)).toEqual(items.map(() => ({ result: 'written' })));
    expect(callsSince()).toEqual(Array(3).fill('BatchExecuteStatement'));
    const absent = Array.from({ length: 190 }, () => newKey());
    expect(await store.load([...absent, ...items.map((item) => item.key)])).toEqual(everyOne(items));
    expect(callsSince()).toEqual(Array(3).fill('BatchGetItem'));
  });

  it('splits 120 children into 5 calls, and large ones by their bytes', async () => {
    const key = newKey();
    const children = (length: number, bytes: number) => Array.from({ length }, (_, n) => ({ key, name: `${n}`, data: 'x'.repeat(bytes) }));
    await store.putChildren(children(120, 10));
    await store.deleteChildren(children(120, 10));
    expect(callsSince()).toEqual(Array(10).fill('BatchWriteItem'));
    await store.putChildren(children(12, 390_000));
    expect(callsSince()).toEqual(Array(2).fill('BatchWriteItem'));
  });

  it('writes a large item alone, up to the limit, and sends nothing beyond it', async () => {
    const filled = (bytes: number, change = {}) => anItem({ state: 'x'.repeat(bytes), ...change });
    const [large, over] = [filled(MAX_ITEM_BYTES - 1000), filled(MAX_ITEM_BYTES)];
    expect(await writeAll([large, anItem()])).toEqual([{ result: 'written' }, { result: 'written' }]);
    expect(callsSince().sort()).toEqual(['BatchExecuteStatement', 'PutItem']);
    expect(await load([large])).toEqual(everyOne([large]));
    expect(await writeAll([{ ...large, nonce: 'again' }])).toEqual([{ result: 'conflict' }]);
    callsSince();
    expect(await writeAll([over])).toEqual([{ result: 'too_large', key: over.key, bytes: expect.any(Number) }]);
    expect(callsSince()).toEqual([]);
  });

  it('asks again for keys that were left out', async () => {
    const items = manyItems(60);
    await writeAll(items);
    const half: Behaviour = async (_operation, body, forward) => {
      const asked = body.RequestItems[table.tableName];
      const [now, later] = [asked.Keys.slice(0, 30), asked.Keys.slice(30)];
      const answer = await forward({ RequestItems: { [table.tableName]: { ...asked, Keys: now } } });
      return { ...answer, body: { ...answer.body, UnprocessedKeys: { [table.tableName]: { ...asked, Keys: later } } } };
    };
    proxy.behave(once('BatchGetItem', half));
    expect(await load(items)).toEqual(everyOne(items));
    expect(callsSince().filter((call) => call === 'BatchGetItem')).toHaveLength(2);
  });

  it('puts children again that were left out', async () => {
    const key = newKey();
    const children = ['a', 'b', 'c'].map((name) => ({ key, name, data: name }));
    const first: Behaviour = async (_operation, body, forward) => {
      const [now, ...later] = body.RequestItems[table.tableName];
      const answer = await forward({ RequestItems: { [table.tableName]: [now] } });
      return { ...answer, body: { UnprocessedItems: { [table.tableName]: later } } };
    };
    proxy.behave(once('BatchWriteItem', first));
    await store.putChildren(children);
    expect(await store.children(key, '')).toEqual(children);
  });

  const throttleStatements =
    (isThrottled: (n: number) => boolean): Behaviour =>
    async (_operation, body, forward) => {
      const passed = body.Statements.filter((_: Json, n: number) => !isThrottled(n));
      const answers = passed.length > 0 ? (await forward({ Statements: passed })).body.Responses : [];
      const error = { Error: { Code: 'ProvisionedThroughputExceeded', Message: 'slow down' } };
      return { status: 200, body: { Responses: body.Statements.map((_: Json, n: number) => (isThrottled(n) ? error : answers.shift())) } };
    };

  it('writes again what was throttled, and only that', async () => {
    const [stale, ...fresh] = manyItems(6) as [Item, ...Item[]];
    await writeAll([stale]);
    proxy.behave(
      once(
        'BatchExecuteStatement',
        throttleStatements((n) => n % 2 === 1),
      ),
    );
    const results = await writeAll([stale, ...fresh]);
    expect(results.map(({ result }) => result)).toEqual(['conflict', 'written', 'written', 'written', 'written', 'written']);
    expect(await load(fresh)).toEqual(everyOne(fresh));
  });

  it('gives up in the end on what stays throttled, and on nothing else', async () => {
    const items = manyItems(2);
    proxy.behave(async (operation, body, forward) =>
      body.Statements.length === 2
        ? throttleStatements((n) => n === 1)(operation, body, forward)
        : throttleStatements(() => true)(operation, body, forward),
    );
    const error = expect.objectContaining({ message: `table ${table.tableName} throttles: 8 retries did not help` });
    expect(await writeAll(items)).toEqual([{ result: 'written' }, { result: 'failed', error }]);
  });

  it('goes on when whole calls and transactions are throttled', async () => {
    const unit = manyItems(2);
    proxy.behave(once('TransactWriteItems', async () => throttled));
    expect(await store.write([unit])).toEqual([{ result: 'written' }]);
    const reasons = [{ Code: 'ThrottlingError' }, { Code: 'None' }];
    const body = { __type: 'com.amazonaws.dynamodb.v20120810#TransactionCanceledException', CancellationReasons: reasons };
    proxy.behave(once('TransactWriteItems', async () => ({ status: 400, body })));
    expect(await store.write([manyItems(2)])).toEqual([{ result: 'written' }]);
    proxy.behave(once('BatchGetItem', async () => throttled));
    expect(await load(unit)).toEqual(everyOne(unit));
  });

  it('answers conflict for its own write whose answer was lost: the nonce tells', async () => {
    const item = anItem({ nonce: 'mine' });
    proxy.behave(once('BatchExecuteStatement', async (_operation, body, forward) => void (await forward(body))));
    expect(await writeAll([item])).toEqual([{ result: 'conflict' }]);
    expect((await load([item])).get(item.key)?.nonce).toBe('mine');
  });
});

describe('the client', () => {
  const configOf = async (environment: Record<string, string>) => {
    const client = tableClient(environment);
    onTestFinished(() => client.destroy());
    return { region: await client.config.region(), accessKeyId: (await client.config.credentials()).accessKeyId };
  };

  it('needs neither region nor credentials for an endpoint of its own', async () => {
    expect(await configOf({ AWS_ENDPOINT_URL: 'http://127.0.0.1:1' })).toEqual({ region: 'us-east-1', accessKeyId: 'local' });
  });

  it('takes those that are set', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'mine').stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
    onTestFinished(() => void vi.unstubAllEnvs());
    const environment = { AWS_ENDPOINT_URL: 'http://127.0.0.1:1', AWS_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: 'mine' };
    expect(await configOf(environment)).toEqual({ region: 'eu-west-1', accessKeyId: 'mine' });
  });
});

describe('the table', () => {
  it('is created once, whoever asks and how often', async () => {
    await Promise.all([ensureTable(table.client, 'twice'), ensureTable(table.client, 'twice')]);
    await ensureTable(table.client, 'twice');
    expect(await dynamodbStore({ client: table.client, tableName: 'twice' }).load(['thing#1'])).toEqual(new Map());
  });

  it('of another shape is refused', async () => {
    await table.client.send(
      new CreateTableCommand({
        TableName: 'other',
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
      }),
    );
    await expect(ensureTable(table.client, 'other')).rejects.toThrow(
      `table other at ${table.endpoint} has another primary key and index 'lookup' and index 'sweep': set TABLE_NAME to a new name, or delete it`,
    );
  });

  it('forgets by expires_at, in seconds, and never what has none', async () => {
    const { TimeToLiveDescription } = await table.client.send(new DescribeTimeToLiveCommand({ TableName: table.tableName }));
    expect(TimeToLiveDescription).toEqual({ TimeToLiveStatus: 'ENABLED', AttributeName: 'expires_at' });
    const [mortal, immortal] = [anItem({ expiresAt: 5_000_000_000_000 }), anItem()];
    await table.store.write([[mortal], [immortal]]);
    await table.store.write([[{ ...immortal, version: 2 }]]);
    const expiryOf = async ({ key }: Item) => {
      const Key = { pk: { S: key }, sk: { S: 'state' } };
      return (await table.client.send(new GetItemCommand({ TableName: table.tableName, Key }))).Item?.expires_at;
    };
    expect(await Promise.all([mortal, immortal].map(expiryOf))).toEqual([{ N: '5000000000' }, { NULL: true }]);
  });

  it('has indexes that hold only what can be found in them', async () => {
    const tableName = 'sparse';
    await ensureTable(table.client, tableName);
    const store = dynamodbStore({ client: table.client, tableName });
    const [plain, listed] = [anItem(), anItem({ lookup: 'a', sweepAt: 1 })];
    const { lookup: _, sweepAt: __, ...quiet } = listed;
    await store.write([[plain], [listed]]);
    await store.write([[{ ...plain, version: 2 }], [{ ...quiet, version: 2 }]]);
    for (const IndexName of [LOOKUP_INDEX, SWEEP_INDEX])
      expect((await table.client.send(new ScanCommand({ TableName: tableName, IndexName }))).Count).toBe(0);
  });

  it('that does not exist is an error of one sentence', async () => {
    const store = dynamodbStore({ client: table.client, tableName: 'missing' });
    const sentence = `there is no table missing at ${table.endpoint}: create it, or set TABLE_NAME to one that exists`;
    await expect(store.load(['thing#1'])).rejects.toThrow(sentence);
    await expect(store.lookup('a')).rejects.toThrow(sentence);
    const error = expect.objectContaining({ name: 'TableError', message: expect.stringContaining('missing') });
    expect(await store.write([[anItem()], [anItem(), anItem()]])).toEqual(Array(2).fill({ result: 'failed', error }));
  });

  it('that cannot be reached is an error of one sentence', async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    const client = clientOf(endpoint);
    onTestFinished(() => client.destroy());
    const sentence = `the table's endpoint ${endpoint} does not answer (ECONNREFUSED): start it, or correct AWS_ENDPOINT_URL_DYNAMODB`;
    await expect(ensureTable(client, 'any')).rejects.toThrow(sentence);
    await expect(dynamodbStore({ client, tableName: 'any' }).load(['thing#1'])).rejects.toThrow(sentence);
  });
});
