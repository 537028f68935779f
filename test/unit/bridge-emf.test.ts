/** CloudWatch takes a line only if it is what the specification of the embedded metric format says, so the test is that specification. */
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { writeEmf } from '#infra/bridge/observe/emf.ts';
import { createMetrics } from '#infra/bridge/observe/metrics.ts';
import { virtualTime } from '#test/sim/virtual-time.ts';

const name = z.string().min(1).max(1024);
const definition = z.strictObject({
  Name: name,
  Unit: z.enum(['Count', 'Milliseconds']).optional(),
  StorageResolution: z.literal([1, 60]).optional(),
});
const directive = z.strictObject({
  Namespace: name,
  Dimensions: z.array(z.array(z.string().min(1).max(250)).max(30)).min(1),
  Metrics: z.array(definition).min(1).max(100),
});
const document = z
  .looseObject({ _aws: z.strictObject({ Timestamp: z.int().positive(), CloudWatchMetrics: z.array(directive).min(1) }) })
  .refine(
    (root) => root._aws.CloudWatchMetrics.every(({ Dimensions }) => Dimensions.flat().every((key) => typeof root[key] === 'string')),
    'a dimension has no text',
  )
  .refine(
    (root) => root._aws.CloudWatchMetrics.every(({ Metrics }) => Metrics.every(({ Name }) => Number.isFinite(root[Name]))),
    'a metric has no number',
  );

const world = () => {
  const time = virtualTime();
  const metrics = createMetrics();
  const lines: string[] = [];
  const stop = writeEmf({ metrics, write: (line) => lines.push(line), clock: time.clock() });
  return { time, metrics, lines, stop, last: () => JSON.parse(lines.at(-1) ?? '{}') };
};

describe('metrics for CloudWatch (EMF)', () => {
  it('are a valid document a binding and minute, with the names of Lambda', async () => {
    const { time, metrics, lines } = world();
    metrics.binding('fn.events').polled.inc(3);
    metrics.binding('fn.alarms').lag.set(7);
    await time.advance(60_000);
    const [events, alarms] = lines.map((line) => document.parse(JSON.parse(line)));
    expect(lines.join()).not.toContain('\n');
    expect(events).toEqual({ _aws: expect.anything(), FunctionName: 'fn', EventSource: 'fn.events', PolledEventCount: 3 });
    expect(alarms).toEqual({ _aws: expect.anything(), FunctionName: 'fn', EventSource: 'fn.alarms', OffsetLag: 7 });
  });

  it('leave out what was not counted: each metric has its price', async () => {
    const { time, metrics, lines } = world();
    metrics.binding('fn.events').polled.inc(3);
    metrics.binding('fn.quiet');
    await time.advance(60_000);
    await time.advance(60_000);
    expect(lines.length).toBe(1);
  });

  it('tell depth and age of each queue of work that is not empty, alone and all together', async () => {
    const { time, metrics, lines } = world();
    const queue = { name: 'work-nlp-high', domain: 'nlp', priority: 'high', pending: 2, unsettled: 1, oldestAgeSeconds: 1.5 } as const;
    metrics.queues.set([queue, { ...queue, priority: 'low', pending: 0, unsettled: 0 }]);
    await time.advance(60_000);
    const [high, ...others] = lines.map((line) => document.parse(JSON.parse(line)));
    expect(high).toEqual({
      _aws: expect.anything(),
      ...{ Stream: 'WORK_QUEUE', Domain: 'nlp', Priority: 'high' },
      ...{ WorkQueueDepth: 3, WorkQueueAge: 1500 },
    });
    expect([high?._aws.CloudWatchMetrics[0]?.Dimensions, others]).toEqual([[['Stream'], ['Stream', 'Domain', 'Priority']], []]);
  });

  it('say where they belong, when, and in what unit', async () => {
    const { time, metrics, last } = world();
    metrics.binding('fn.events').oldestAgeSeconds.set(1.5);
    await time.advance(60_000);
    const { Timestamp, CloudWatchMetrics } = last()._aws;
    expect([Timestamp, CloudWatchMetrics[0].Namespace, CloudWatchMetrics[0].Dimensions]).toEqual([
      time.now(),
      'MisterSmith/Bridge',
      [['FunctionName', 'EventSource']],
    ]);
    expect(CloudWatchMetrics[0].Metrics).toContainEqual({ Name: 'IteratorAge', Unit: 'Milliseconds' });
    expect(last().IteratorAge).toBe(1500);
  });

  it('tell stages in one account apart, by the names that Lambda knows the functions by', () => {
    const metrics = createMetrics();
    metrics.binding('fn.events').polled.inc();
    const lines: string[] = [];
    writeEmf({ metrics, prefix: 'shop-prod-', write: (line) => lines.push(line) })();
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ FunctionName: 'shop-prod-fn', EventSource: 'fn.events' }]);
  });

  it('count each minute for itself, and the rest at the end', async () => {
    const { time, metrics, last, stop } = world();
    const { failedInvoke } = metrics.binding('fn.events');
    failedInvoke.inc('timeout', 2);
    failedInvoke.inc('not_json');
    await time.advance(60_000);
    expect(last().FailedInvokeEventCount).toBe(3);
    failedInvoke.inc('timeout');
    stop();
    expect(last().FailedInvokeEventCount).toBe(1);
  });
});
