/** What would make a deployment fail halfway, found before anything is changed. */
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { tableDifferences } from '#shared/table/definition.ts';

/** Rejects with one sentence: there is no way to AWS (region, credentials, network), or a table of another shape has the name. */
export const checkAccount = async (client: DynamoDBClient, tableName: string): Promise<void> => {
  const wrong = await tableDifferences(client, tableName);
  if (wrong.length > 0)
    throw new Error(`there is a table ${tableName} with another ${wrong.join(' and ')}: deploy to another stage, or delete it`);
};
