/** Functions that are deployed, behind the Lambda API. */
import { BatchWriteItemCommand, paginateScan } from '@aws-sdk/client-dynamodb';
import { GetFunctionConfigurationCommand, LambdaClient, UpdateFunctionConfigurationCommand } from '@aws-sdk/client-lambda';
import { inject } from 'vitest';
import { lambdaInvoker } from '#infra/bridge/invoke/lambda-invoker.ts';
import type { FunctionEntry } from '#infra/bridge/manifest/manifest.ts';
import { STAGE } from '#infra/local/deployment.ts';
import { ownEndpoint } from '#shared/own-endpoint.ts';
import { tableClient, WRITE_MARGIN_MS } from '#shared/table/client.ts';
import type { SetupTarget, Target } from './stack.ts';

type Environment = Record<string, string>;

const empty = async ({ client, name }: Target['table']): Promise<void> => {
  const keys = { ProjectionExpression: '#p, #s', ExpressionAttributeNames: { '#p': 'pk', '#s': 'sk' } };
  for await (const { Items = [] } of paginateScan({ client, pageSize: 25 }, { TableName: name, ...keys })) {
    const requests = Items.map((Key) => ({ DeleteRequest: { Key } }));
    if (requests.length > 0) await client.send(new BatchWriteItemCommand({ RequestItems: { [name]: requests } }));
  }
};

/** Functions that know a variable get another value of it; answers a function that gives them back the one of their deployment. */
const change = async (lambda: LambdaClient, functions: readonly FunctionEntry[], prefix: string, environment: Environment) => {
  const update = async (FunctionName: string, Variables: Environment) => {
    await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables } }));
  };
  const concerned = functions.filter((fn) => Object.keys(environment).some((name) => name in fn.environment));
  const undo = await Promise.all(
    concerned.map(async ({ name, environment: known }) => {
      const FunctionName = prefix + name;
      const { Environment: before } = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
      const changes = Object.fromEntries(Object.entries(environment).filter(([variable]) => variable in known));
      await update(FunctionName, { ...before?.Variables, ...changes });
      return () => update(FunctionName, before?.Variables ?? {});
    }),
  );
  return async () => void (await Promise.all(undo.map((one) => one())));
};

/** The same deployment for all files, so one file at a time. */
export const lambdaTarget: SetupTarget = async (manifest, environment) => {
  const aws = { AWS_ENDPOINT_URL: inject('deployedTo') };
  const name = `${manifest.service}-${STAGE}`;
  const prefix = `${name}-`;
  const table = { client: tableClient(aws), name };
  await empty(table);
  const lambda = new LambdaClient(ownEndpoint('LAMBDA', aws));
  const restore = await change(lambda, manifest.functions, prefix, environment);
  return {
    invoker: lambdaInvoker({ manifest, writeMargin: WRITE_MARGIN_MS, prefix, environment: aws }),
    table,
    stop: async () => {
      await restore();
      lambda.destroy();
      table.client.destroy();
    },
  };
};
