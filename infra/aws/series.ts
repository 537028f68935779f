/** The metrics of CloudWatch that alarms and the dashboard look at, by namespace, name and dimensions. */
import { CIRCUITS_OPENED, METRICS_NAMESPACE } from '#shared/function/observe.ts';
import type { FunctionEntry, Manifest } from '../bridge/manifest/manifest.ts';
import { sharesOf } from '../bridge/manifest/shares.ts';
import { BRIDGE_NAMESPACE, type BridgeMetric } from '../bridge/observe/emf.ts';
import type { Intrinsic } from './template.ts';

export type Series = { namespace: string; metric: string; dimensions: Record<string, string | Intrinsic> };

/** `deployment` is `<service>-<stage>`. What is called by a name, an alias or an ARN is a function with a name. */
export const lambdaName = (deployment: string, { name, target = `${deployment}-${name}` }: FunctionEntry): string => {
  const parts = target.split(':');
  return (target.startsWith('arn:') ? parts[6] : parts[0]) ?? target;
};

export const lambdaSeries = (
  deployment: string,
  fn: FunctionEntry,
  metric: 'Duration' | 'Errors' | 'Invocations' | 'Throttles',
): Series => ({ namespace: 'AWS/Lambda', metric, dimensions: { FunctionName: lambdaName(deployment, fn) } });

/** One of each binding, its alarms too. Lag and age are those of streams. */
export const bindingSeries = (deployment: string, fn: FunctionEntry, metric: BridgeMetric): Series[] =>
  sharesOf(fn)
    .flatMap(({ bindings }) => bindings)
    .filter(({ source }) => source.kind === 'jetstream' || (metric !== 'OffsetLag' && metric !== 'IteratorAge'))
    .map(({ name }) => ({
      namespace: BRIDGE_NAMESPACE,
      metric,
      dimensions: { FunctionName: `${deployment}-${fn.name}`, EventSource: name },
    }));

/** Of the function that hears how calls go. What a function counts itself goes by its name at Lambda. */
export const circuitSeries = (deployment: string, { functions }: Manifest): Series[] =>
  functions
    .filter(({ bindings }) => bindings.some(({ source }) => source.subjects.includes('circuit.*.report')))
    .map((fn) => ({ namespace: METRICS_NAMESPACE, metric: CIRCUITS_OPENED, dimensions: { service: lambdaName(deployment, fn) } }));

export const tableSeries = (metric: string, index?: string): Series => ({
  namespace: 'AWS/DynamoDB',
  metric,
  dimensions: { TableName: { Ref: 'Table' }, ...(index && { GlobalSecondaryIndexName: index }) },
});

export const serviceSeries = (metric: 'CPUUtilization' | 'MemoryUtilization'): Series => ({
  namespace: 'AWS/ECS',
  metric,
  dimensions: { ClusterName: { Ref: 'BridgeCluster' }, ServiceName: { 'Fn::GetAtt': ['BridgeService', 'Name'] } },
});
