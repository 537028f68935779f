/** The dashboard of a deployment: the alarms on top, then what comes in, how far behind, what fails, what it costs, how agents do. */
import { LOOKUP_INDEX, SWEEP_INDEX } from '#shared/table/definition.ts';
import type { Manifest } from '../bridge/manifest/manifest.ts';
import type { BridgeMetric } from '../bridge/observe/emf.ts';
import { bindingSeries, circuitSeries, fleetSeries, lambdaSeries, type Series, serviceSeries, tableSeries } from './series.ts';
import type { Intrinsic, Resource } from './template.ts';

/** Of 24 columns; the grid fills row by row. */
const [WIDTH, HEIGHT] = [8, 6];
const COLUMNS = 24;

type Graph = { title: string; stat: string; series: Series[] };

/** Inside the text of an `Fn::Sub`. */
const inText = (value: string | Intrinsic): string => {
  if (typeof value === 'string') return value;
  if ('Ref' in value) return `\${${value.Ref}}`;
  return 'Fn::GetAtt' in value ? `\${${value['Fn::GetAtt'].join('.')}}` : value['Fn::Sub'];
};

const graphs = (manifest: Manifest, deployment: string): Graph[] => {
  const ofBindings = (metric: BridgeMetric) => manifest.functions.flatMap((fn) => bindingSeries(deployment, fn, metric));
  const ofFunctions = (...metrics: Parameters<typeof lambdaSeries>[2][]) =>
    metrics.flatMap((metric) => manifest.functions.map((fn) => lambdaSeries(deployment, fn, metric)));
  const ofTable = (metric: string) => [undefined, LOOKUP_INDEX, SWEEP_INDEX].map((index) => tableSeries(metric, index));
  const ofAgents = (...metrics: string[]) => metrics.flatMap((metric) => fleetSeries(deployment, manifest, metric));
  return [
    { title: 'Messages taken', stat: 'Sum', series: ofBindings('PolledEventCount') },
    { title: 'Lag, messages', stat: 'Maximum', series: ofBindings('OffsetLag') },
    { title: 'Age of the oldest message, ms', stat: 'Maximum', series: ofBindings('IteratorAge') },
    { title: 'Dead letters', stat: 'Sum', series: ofBindings('OnFailureDestinationDeliveredEventCount') },
    { title: 'Failed attempts', stat: 'Sum', series: ofBindings('FailedInvokeEventCount') },
    { title: 'Lost without a dead letter', stat: 'Sum', series: ofBindings('DroppedEventCount') },
    { title: 'Invocations', stat: 'Sum', series: ofFunctions('Invocations') },
    { title: 'Duration p99, ms', stat: 'p99', series: ofFunctions('Duration') },
    { title: 'Errors and throttles', stat: 'Sum', series: ofFunctions('Errors', 'Throttles') },
    { title: 'Write units of the table', stat: 'Sum', series: ofTable('ConsumedWriteCapacityUnits') },
    { title: 'Read units of the table', stat: 'Sum', series: ofTable('ConsumedReadCapacityUnits') },
    { title: 'Circuits opened', stat: 'Sum', series: circuitSeries(deployment, manifest) },
    { title: 'Bridge, %', stat: 'Maximum', series: [serviceSeries('CPUUtilization'), serviceSeries('MemoryUtilization')] },
    { title: 'Agents: response time p99, ms', stat: 'p99', series: ofAgents('response_time_ms') },
    {
      title: 'Agents: load, errors, CPU, memory',
      stat: 'Average',
      series: ofAgents('current_load', 'error_rate', 'cpu_usage', 'memory_usage'),
    },
  ];
};

const widget = ({ title, stat, series }: Graph, place: { x: number; y: number }) => ({
  type: 'metric',
  ...place,
  width: WIDTH,
  height: HEIGHT,
  properties: {
    title,
    stat,
    period: 60,
    region: inText({ Ref: 'AWS::Region' }),
    metrics: series.map(({ namespace, metric, dimensions }) => [
      namespace,
      metric,
      ...Object.entries(dimensions).flatMap(([name, value]) => [name, inText(value)]),
    ]),
  },
});

/** `deployment` is `<service>-<stage>`; `alarmIds` are the logical ids of its alarms. */
export const dashboard = (manifest: Manifest, deployment: string, alarmIds: readonly string[]): Resource => {
  const bells = {
    type: 'alarm',
    x: 0,
    y: 0,
    width: COLUMNS,
    height: HEIGHT,
    properties: { title: 'Alarms', alarms: alarmIds.map((id) => `\${${id}.Arn}`) },
  };
  const perRow = COLUMNS / WIDTH;
  const widgets = graphs(manifest, deployment).map((graph, n) =>
    widget(graph, { x: (n % perRow) * WIDTH, y: HEIGHT * (1 + Math.floor(n / perRow)) }),
  );
  return {
    Type: 'AWS::CloudWatch::Dashboard',
    Properties: { DashboardName: deployment, DashboardBody: { 'Fn::Sub': JSON.stringify({ widgets: [bells, ...widgets] }) } },
  };
};
