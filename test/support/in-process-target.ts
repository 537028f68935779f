/** Functions in the process of the test. */
import { localInvoker } from '#infra/bridge/invoke/local-invoker.ts';
import type { SetupTarget } from './stack.ts';
import { setupTable } from './table.ts';

/** One a test file: functions keep the table's connection for the life of their process. */
export const inProcessTarget: SetupTarget = async (manifest, environment) => {
  const table = await setupTable();
  Object.assign(process.env, environment, {
    TABLE_NAME: table.tableName,
    AWS_ENDPOINT_URL_DYNAMODB: table.endpoint,
    POWERTOOLS_METRICS_DISABLED: 'true',
    POWERTOOLS_LOG_LEVEL: 'CRITICAL',
  });
  return { invoker: await localInvoker(manifest), table: { client: table.client, name: table.tableName }, stop: table.stop };
};
