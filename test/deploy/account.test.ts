/** What stands in the way of a deployment is told in a sentence, before anything is changed. */
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkAccount } from '#infra/aws/check-account.ts';
import { copyOfService } from '#test/support/osls.ts';
import { setupTable, type TestTable } from '#test/support/table.ts';

let table: TestTable;
beforeAll(async () => {
  table = await setupTable('mistersmith-prod');
});
afterAll(() => table.stop());

const elsewhere = (config: ConstructorParameters<typeof DynamoDBClient>[0]) =>
  new DynamoDBClient({ region: 'us-east-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' }, maxAttempts: 1, ...config });

describe('an account is deployed to', () => {
  it('that has no such table yet, or the one of before', async () => {
    await expect(checkAccount(table.client, 'mistersmith-new')).resolves.toBeUndefined();
    await expect(checkAccount(table.client, 'mistersmith-prod')).resolves.toBeUndefined();
  });
});

describe('nothing is changed', () => {
  it('where a table of another shape has the name', async () => {
    await table.client.send(
      new CreateTableCommand({
        TableName: 'mistersmith-old',
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      }),
    );
    await expect(checkAccount(table.client, 'mistersmith-old')).rejects.toThrow(
      "there is a table mistersmith-old with another primary key and index 'lookup' and index 'sweep': deploy to another stage, or delete it",
    );
  });

  it('where the region is none', async () => {
    const client = elsewhere({ region: 'nowhere-1' });
    await expect(checkAccount(client, 'mistersmith-prod')).rejects.toThrow(
      /^the table's endpoint DynamoDB in nowhere-1 does not answer \(.+\): correct AWS_REGION, or the network$/,
    );
  });

  it('without credentials', async () => {
    const service = await copyOfService();
    const { code, output } = await service.osls('deploy', '--region', 'eu-west-1', '--param', 'bridge=elsewhere');
    await service.remove();
    const sentence = 'there are no AWS credentials for DynamoDB in eu-west-1: set AWS_PROFILE, or AWS_ACCESS_KEY_ID with its secret';
    expect([code, output]).toEqual([1, expect.stringContaining(sentence)]);
  }, 120_000);
});
