/** What a function needs of the world. In a Lambda and in the local stack it is made of the environment, once, at the first call. */
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics } from '@aws-lambda-powertools/metrics';
import type * as z from 'zod';
import { type Clock, systemClock } from '#shared/clock.ts';
import type { Store } from '#shared/entity/store.ts';
import { tableClient } from '#shared/table/client.ts';
import { dynamodbStore } from '#shared/table/dynamodb-store.ts';
import { METRICS_NAMESPACE } from './metric-names.ts';

export type Runtime = {
  store: Store;
  clock: Clock;
  /** 0 to 1. */
  random: () => number;
  environment: Record<string, string | undefined>;
  logger: Pick<Logger, 'warn' | 'error' | 'appendKeys' | 'resetKeys'>;
  metrics: Pick<Metrics, 'addMetric' | 'publishStoredMetrics'>;
};

/** One for all functions of a process, so that they share its connections. */
let sharedStore: Store | undefined;

const environmentStore = (): Store => {
  sharedStore ??= dynamodbStore({ client: tableClient(), tableName: process.env.TABLE_NAME ?? 'mistersmith' });
  return sharedStore;
};

export const environmentRuntime = (functionName: string): Runtime => ({
  store: environmentStore(),
  clock: systemClock,
  random: Math.random,
  environment: process.env,
  logger: new Logger({ serviceName: functionName }),
  // Its deployed name tells stages in one account apart.
  metrics: new Metrics({ namespace: METRICS_NAMESPACE, serviceName: process.env.AWS_LAMBDA_FUNCTION_NAME ?? functionName }),
});

/** Settings of a function from its environment. Throws an error of one sentence a mistake. */
export const parseSettings = <Settings>(
  schema: z.ZodType<Settings>,
  environment: Runtime['environment'],
  functionName: string,
): Settings => {
  const parsed = schema.safeParse(environment);
  if (parsed.success) return parsed.data;
  const mistakes = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new Error(`${functionName}: settings in the environment are wrong: ${mistakes.join('; ')}`);
};
