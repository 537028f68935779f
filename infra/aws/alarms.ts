/** The alarms of a deployment. docs/deploy.md says of each what to do when it rings. */
import { LOOKUP_INDEX, SWEEP_INDEX } from '#shared/table/definition.ts';
import type { FunctionEntry, Manifest } from '../bridge/manifest/manifest.ts';
import { bindingSeries, circuitSeries, lambdaSeries, queueSeries, type Series, serviceSeries, tableSeries } from './series.ts';
import { logicalId, type Resource } from './template.ts';

type Rule = {
  /** One sentence: what is the case when it rings. */
  says: string;
  series: Series[];
  /** Of each series in a period. */
  stat: 'Sum' | 'Maximum' | 'SampleCount';
  /** s */
  period: number;
  /** It rings after so many periods in a row with a value that is `at least`, or `below`. */
  periods: number;
  atLeast?: number;
  below?: number;
  /** Whether it rings without any value, too. */
  silenceRings?: true;
};

const MINUTE = 60;
/** Messages: where a binding's span reaches it, the bridge stops pulling. */
const LAG = 10_000;
const AGE_MS = 300_000;
const WORK_AGE_MS = 3_600_000;
const TASKS = 2;

const ofFunction = (deployment: string, fn: FunctionEntry): Record<string, Rule> => ({
  'dead-letters': {
    says: `messages for ${fn.name} were given up on`,
    series: bindingSeries(deployment, fn, 'OnFailureDestinationDeliveredEventCount'),
    stat: 'Sum',
    period: 5 * MINUTE,
    periods: 1,
    atLeast: 1,
  },
  lag: {
    says: `a stream is ${LAG} messages ahead of ${fn.name}`,
    series: bindingSeries(deployment, fn, 'OffsetLag'),
    stat: 'Maximum',
    period: MINUTE,
    periods: 5,
    atLeast: LAG,
  },
  age: {
    says: `a message has waited ${AGE_MS / 60_000} minutes for ${fn.name}, or no bridge knows of how long`,
    series: bindingSeries(deployment, fn, 'IteratorAge'),
    stat: 'Maximum',
    period: MINUTE,
    periods: 5,
    atLeast: AGE_MS,
    silenceRings: true,
  },
  errors: {
    says: `${fn.name} throws or runs out of time`,
    series: [lambdaSeries(deployment, fn, 'Errors')],
    stat: 'Sum',
    period: 5 * MINUTE,
    periods: 1,
    atLeast: 5,
  },
  throttles: {
    says: `Lambda has refused to run ${fn.name} for 15 minutes`,
    series: [lambdaSeries(deployment, fn, 'Throttles')],
    stat: 'Sum',
    period: 5 * MINUTE,
    periods: 3,
    atLeast: 1,
  },
});

const ofDeployment = (deployment: string, manifest: Manifest): Record<string, Rule> => ({
  'circuit-opened': {
    says: 'a circuit has opened: a service fails for the whole fleet',
    series: circuitSeries(deployment, manifest),
    stat: 'Sum',
    period: 5 * MINUTE,
    periods: 1,
    atLeast: 1,
  },
  'work-age': {
    says: `work has not been done for ${WORK_AGE_MS / MINUTE / 1000} minutes after it was queued`,
    // Its maximum is that of all queues.
    series: [queueSeries(deployment, 'WorkQueueAge')],
    stat: 'Maximum',
    period: MINUTE,
    periods: 5,
    atLeast: WORK_AGE_MS,
  },
  'bridge-tasks': {
    says: `fewer than ${TASKS} tasks of the bridge are running`,
    // A task reports its CPU once a minute.
    series: [serviceSeries('CPUUtilization')],
    stat: 'SampleCount',
    period: MINUTE,
    periods: 5,
    below: TASKS,
    silenceRings: true,
  },
  'table-throttles': {
    says: 'DynamoDB has refused reads or writes of the table for 15 minutes',
    series: ['ReadThrottleEvents', 'WriteThrottleEvents'].flatMap((metric) =>
      [undefined, LOOKUP_INDEX, SWEEP_INDEX].map((index) => tableSeries(metric, index)),
    ),
    stat: 'Sum',
    period: 5 * MINUTE,
    periods: 3,
    atLeast: 1,
  },
});

const alarm = (deployment: string, kind: string, name: string, rule: Rule): Resource => {
  const { says, series, stat, period, periods, atLeast, below, silenceRings } = rule;
  const one = series.length === 1;
  const metrics = series.map(({ namespace, metric, dimensions }, n) => ({
    Id: `m${n}`,
    MetricStat: {
      Metric: {
        Namespace: namespace,
        MetricName: metric,
        Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
      },
      Period: period,
      Stat: stat,
    },
    ReturnData: one,
  }));
  // What was not counted has no value; but silence has to stay one.
  const Expression = stat === 'Sum' ? 'SUM(FILL(METRICS(), 0))' : 'MAX(METRICS())';
  const together = { Id: 'all', Expression, Label: kind, ReturnData: true };
  const actions = { 'Fn::If': ['HasAlarmTopic', [{ Ref: 'AlarmTopic' }], { Ref: 'AWS::NoValue' }] };
  return {
    Type: 'AWS::CloudWatch::Alarm',
    Properties: {
      AlarmName: `${deployment}-${name}`,
      AlarmDescription: `${says}: docs/deploy.md#${kind}`,
      Metrics: one ? metrics : [...metrics, together],
      EvaluationPeriods: periods,
      ComparisonOperator: below === undefined ? 'GreaterThanOrEqualToThreshold' : 'LessThanThreshold',
      Threshold: below ?? atLeast,
      TreatMissingData: silenceRings ? 'breaching' : 'notBreaching',
      AlarmActions: actions,
      OKActions: actions,
    },
  };
};

/** By logical id. `deployment` is `<service>-<stage>`. */
export const alarms = (manifest: Manifest, deployment: string): Record<string, Resource> => {
  const entries = (rules: Record<string, Rule>, ...of: string[]) =>
    Object.entries(rules).flatMap(([kind, rule]): [string, Resource][] =>
      rule.series.length > 0 ? [[logicalId(kind, ...of, 'alarm'), alarm(deployment, kind, [kind, ...of].join('-'), rule)]] : [],
    );
  return Object.fromEntries([
    ...manifest.functions.flatMap((fn) => entries(ofFunction(deployment, fn), fn.name)),
    ...entries(ofDeployment(deployment, manifest)),
  ]);
};
