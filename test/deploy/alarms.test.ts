/** Alarms and the dashboard look at metrics that somebody writes, and docs/deploy.md says what to do about each alarm. */
import { readFileSync } from 'node:fs';
import { Metrics } from '@aws-lambda-powertools/metrics';
import { describe, expect, it } from 'vitest';
import { linesOf } from '#functions/metrics-collector/emf.ts';
import { settings } from '#functions/metrics-collector/settings.ts';
import { readManifest } from '#infra/bridge/manifest/read-manifest.ts';
import { sharesOf } from '#infra/bridge/manifest/shares.ts';
import { writeEmf } from '#infra/bridge/observe/emf.ts';
import { createMetrics } from '#infra/bridge/observe/metrics.ts';
import { METRICS_NAMESPACE } from '#shared/function/metric-names.ts';
import { observe } from '#shared/function/observe.ts';
import { rollupOf } from '#shared/metrics/rollup.ts';
import { synthesise } from '#test/support/template.ts';

type Stat = { Metric: { Namespace: string; MetricName: string; Dimensions: { Name: string; Value: unknown }[] } };
type Alarm = { AlarmName: string; AlarmDescription: string; Metrics: { MetricStat?: Stat }[]; TreatMissingData: string };

const manifest = await readManifest('serverless.yml');
const { Resources, Parameters = {} } = await synthesise('prod');
const alarms = Object.values(Resources)
  .filter(({ Type }) => Type === 'AWS::CloudWatch::Alarm')
  .map(({ Properties }) => Properties as Alarm);
const doc = readFileSync(new URL('../../docs/deploy.md', import.meta.url), 'utf8');

const bridgeLines = (): string[] => {
  const metrics = createMetrics();
  for (const fn of manifest.functions)
    for (const { name, source } of sharesOf(fn).flatMap(({ bindings }) => bindings)) {
      metrics.binding(name).polled.inc();
      metrics.binding(name).failedInvoke.inc('timeout');
      metrics.binding(name).dropped.inc('no_room');
      metrics.binding(name).onFailureDestinationDelivered.inc('timeout');
      // As the bridge does: it reads them of streams only.
      if (source.kind === 'jetstream') metrics.binding(name).lag.set(0);
      if (source.kind === 'jetstream') metrics.binding(name).oldestAgeSeconds.set(0);
    }
  metrics.queues.set([{ name: 'work-nlp-low', domain: 'nlp', priority: 'low', pending: 1, unsettled: 0, oldestAgeSeconds: 1 }]);
  const lines: string[] = [];
  writeEmf({ metrics, prefix: 'mistersmith-prod-', write: (line) => lines.push(line) })();
  return lines;
};

const functionLines = (): string[] => {
  const metrics = new Metrics({ namespace: METRICS_NAMESPACE, serviceName: 'mistersmith-prod-circuit-breaker' });
  const kept = { addMetric: metrics.addMetric.bind(metrics), publishStoredMetrics: () => {} };
  const publish = [{ cause: 'r1', subject: 'circuit.ocr.open', data: '{}' }];
  const answer = { batchItemFailures: [], publish, timers: [] };
  void observe(() => ({ metrics: kept }) as never).after?.({ event: { Records: [{}] }, response: answer } as never);
  return [JSON.stringify(metrics.serializeMetrics())];
};

/** Of a minute in which an agent measured all that there is to tell. */
const fleetLines = (): string[] => {
  const { environment } = manifest.functions.find(({ name }) => name === 'metrics-collector') ?? {};
  const { names } = settings.parse(environment).emf;
  const rollups = Object.fromEntries(names.map((name) => [name, rollupOf(1)]));
  const emf = { settings: { detail: 'fleet' as const, names }, service: 'mistersmith-prod-metrics-collector', write: () => undefined };
  return linesOf([{ key: 'agent-metrics#a1', name: '1m/2026-01-01T00:00:00.000Z', data: [{ start: 0, rollups }] }], emf);
};

/** `<namespace> <metric> <dimensions>` of lines in the embedded metric format. */
const writtenBy = (lines: string[]): string[] =>
  lines.flatMap((line) => {
    const { _aws, ...values } = JSON.parse(line);
    const [{ Namespace, Dimensions, Metrics }] = _aws.CloudWatchMetrics;
    return (Dimensions as string[][]).flatMap((set) => {
      const dimensions = set.map((name) => `${name}=${values[name]}`).toSorted();
      return (Metrics as { Name: string }[]).map(({ Name }) => [Namespace, Name, ...dimensions].join(' '));
    });
  });

const lookedAt = ({ Metric: { Namespace, MetricName, Dimensions } }: Stat): string =>
  [Namespace, MetricName, ...Dimensions.map(({ Name, Value }) => `${Name}=${Value}`).toSorted()].join(' ');
const onDashboard = (): string[] => {
  const { Dashboard } = Resources as unknown as { Dashboard: { Properties: { DashboardBody: { 'Fn::Sub': string } } } };
  const body = JSON.parse(Dashboard.Properties.DashboardBody['Fn::Sub']);
  const series = body.widgets.flatMap(({ properties }: { properties: { metrics?: string[][] } }) => properties.metrics ?? []) as string[][];
  return series.map(([namespace, metric, ...pairs]) => {
    const dimensions = pairs.flatMap((name, n) => (n % 2 === 0 ? [`${name}=${pairs[n + 1]}`] : [])).toSorted();
    return [namespace, metric, ...dimensions].join(' ');
  });
};

describe('what the product counts itself', () => {
  const written = new Set([...writtenBy(bridgeLines()), ...writtenBy(functionLines()), ...writtenBy(fleetLines())]);
  const ofProduct = (series: string[]) => series.filter((name) => name.startsWith('MisterSmith'));

  it('is there for every alarm', () => {
    const series = ofProduct(
      alarms.flatMap(({ Metrics }) => Metrics.flatMap(({ MetricStat }) => (MetricStat ? [lookedAt(MetricStat)] : []))),
    );
    expect(series.length).toBeGreaterThan(0);
    expect(series.filter((name) => !written.has(name))).toEqual([]);
  });

  it('is there for every graph', () => {
    const series = ofProduct(onDashboard());
    expect(series.length).toBeGreaterThan(0);
    expect(series.filter((name) => !written.has(name))).toEqual([]);
  });
});

describe('alarms', () => {
  it('take no more metrics than CloudWatch allows of one', () => {
    expect(Math.max(...alarms.map(({ Metrics }) => Metrics.length - 1))).toBeLessThanOrEqual(10);
  });

  it('ring when a task of the bridge is missing', () => {
    const { DesiredCount } = Resources.BridgeService?.Properties ?? {};
    expect(Resources.BridgeTasksAlarm?.Properties).toMatchObject({ Threshold: DesiredCount, ComparisonOperator: 'LessThanThreshold' });
  });

  it('ring for silence where silence means that nobody works', () => {
    const ring = alarms.filter(({ TreatMissingData }) => TreatMissingData === 'breaching').map(({ AlarmName }) => AlarmName);
    const names = manifest.functions.map(({ name }) => `mistersmith-prod-age-${name}`);
    expect(ring.toSorted()).toEqual([...names, 'mistersmith-prod-bridge-tasks'].toSorted());
  });
});

describe('docs/deploy.md', () => {
  const section = (title: string) => doc.slice(doc.indexOf(`\n## ${title}\n`)).split('\n## ')[1] ?? '';

  it('says what to do when an alarm rings, alarm by alarm, and of no other', () => {
    const kinds = alarms.map(({ AlarmDescription }) => /docs\/deploy\.md#(.+)$/.exec(AlarmDescription)?.[1]);
    const headings = [...section('When an alarm rings').matchAll(/^### (.+)$/gm)].map(([, heading]) => heading);
    expect(headings.toSorted()).toEqual([...new Set(kinds)].toSorted());
  });

  it('has every parameter of the account, and no other', () => {
    const rows = [...section('Parameters').matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
    const parameters = Object.keys(Parameters).map((name) => name.charAt(0).toLowerCase() + name.slice(1));
    expect(rows.toSorted()).toEqual(parameters.toSorted());
  });
});
