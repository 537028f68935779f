/** The store on MiniStack's table: what a local deployment has, and a laptop for which npm has no other. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe } from 'vitest';
import { type Ministack, startMinistack } from '#infra/local/ministack.ts';
import { ensureTable } from '#shared/table/definition.ts';
import { dynamodbStore } from '#shared/table/dynamodb-store.ts';
import { storeContract } from '#test/support/store-contract.ts';
import { clientOf } from '#test/support/table.ts';

let folder: string;
let ministack: Ministack;
let client: DynamoDBClient;
let tables = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mistersmith-table-'));
  ministack = await startMinistack({ port: 0, services: ['dynamodb'], folder, log: console.info });
  client = clientOf(ministack.endpoint);
});
afterAll(async () => {
  client.destroy();
  await ministack.stop();
  await rm(folder, { recursive: true });
});

describe("the store on MiniStack's table", () => {
  storeContract(async (clock) => {
    const tableName = `contract-${++tables}`;
    await ensureTable(client, tableName);
    return dynamodbStore({ client, tableName, clock });
  });
});
