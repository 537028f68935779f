import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { expect, it } from 'vitest';
import { startTableServer } from '#infra/local/table-server.ts';
import { tableClient } from '#shared/table/client.ts';
import { ensureTable } from '#shared/table/definition.ts';

it('the table on a laptop keeps its items when it is started again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mistersmith-table-'));
  const key = { pk: { S: 'agent#a1' }, sk: { S: 'state' } };
  const start = () => startTableServer({ folder, log: console.info });

  const first = await start();
  const before = tableClient({ AWS_ENDPOINT_URL_DYNAMODB: first.endpoint });
  await ensureTable(before, 'mistersmith');
  await before.send(new PutItemCommand({ TableName: 'mistersmith', Item: key }));
  await first.stop();

  const second = await start();
  const after = tableClient({ AWS_ENDPOINT_URL_DYNAMODB: second.endpoint });
  await ensureTable(after, 'mistersmith');
  expect((await after.send(new GetItemCommand({ TableName: 'mistersmith', Key: key }))).Item).toEqual(key);
  await second.stop();
  await rm(folder, { recursive: true });
});
