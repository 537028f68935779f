/** The metrics of CloudWatch that alarms and the dashboard look at, by namespace, name and dimensions. */
import { CIRCUITS_OPENED, METRICS_NAMESPACE } from '#shared/function/metric-names.ts';
import { FLEET_NAMESPACE } from '#shared/metrics/measured.ts';
import type { FunctionEntry, Manifest } from '../bridge/manifest/manifest.ts';
import { sharesOf } from '../bridge/manifest/shares.ts';
import { BRIDGE_NAMESPACE, type BridgeMetric, type QueueMetric } from '../bridge/observe/emf.ts';
import { WORK_STREAM } from '../bridge/queues/work-queue.ts';
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

/** Of all queues of work together: of their highest. */
export const queueSeries = (deployment: string, metric: QueueMetric): Series => ({
  namespace: BRIDGE_NAMESPACE,
  metric,
  dimensions: { Stream: `${deployment}-${WORK_STREAM}` },
});

/** What a function counts itself, it counts by its name at Lambda: here the one that hears a subject. */
const ownSeries = (deployment: string, { functions }: Manifest, heard: string, namespace: string, metric: string): Series[] =>
  functions
    .filter(({ bindings }) => bindings.some(({ source }) => source.subjects.includes(heard)))
    .map((fn) => ({ namespace, metric, dimensions: { service: lambdaName(deployment, fn) } }));

export const circuitSeries = (deployment: string, manifest: Manifest): Series[] =>
  ownSeries(deployment, manifest, 'circuit.*.report', METRICS_NAMESPACE, CIRCUITS_OPENED);

/** Of all agents together. */
export const fleetSeries = (deployment: string, manifest: Manifest, metric: string): Series[] =>
  ownSeries(deployment, manifest, 'metrics.agent.*.*', FLEET_NAMESPACE, metric);

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
