/**
 * The metrics of Lambda's event source mappings for CloudWatch, in its embedded metric format: one JSON line a binding (and a
 * queue of work) and minute on standard output, which the log agent of a container on AWS (or a log driver) takes from there.
 * CloudWatch charges for every metric in every hour that has a value of it, so what was not counted is left out.
 */
import { type Clock, systemClock } from '#shared/clock.ts';
import { depthOf, type QueueReading } from '../queues/read-queues.ts';
import { WORK_STREAM } from '../queues/work-queue.ts';
import type { BindingMetrics, BridgeMetrics } from './metrics.ts';

const EVERY_MS = 60_000;
export const BRIDGE_NAMESPACE = 'MisterSmith/Bridge';

const COUNTS = {
  PolledEventCount: (of) => of.polled,
  FilteredOutEventCount: (of) => of.filteredOut,
  InvokedEventCount: (of) => of.invoked,
  FailedInvokeEventCount: (of) => of.failedInvoke,
  DroppedEventCount: (of) => of.dropped,
  OnFailureDestinationDeliveredEventCount: (of) => of.onFailureDestinationDelivered,
} satisfies Record<string, (of: BindingMetrics) => { read(): number }>;

/** Left out where they are not known. */
const LEVELS = {
  OffsetLag: { unit: 'Count', read: (of) => of.lag.read() },
  IteratorAge: {
    unit: 'Milliseconds',
    read: (of) => {
      const seconds = of.oldestAgeSeconds.read();
      return seconds === undefined ? undefined : Math.round(seconds * 1000);
    },
  },
} satisfies Record<string, { unit: string; read(of: BindingMetrics): number | undefined }>;

/** Of a queue of work that is not empty: dimension `Stream`, alone and with `Domain` and `Priority`. */
const OF_QUEUES = {
  WorkQueueDepth: { unit: 'Count', read: depthOf },
  WorkQueueAge: { unit: 'Milliseconds', read: (of) => Math.round(of.oldestAgeSeconds * 1000) },
} satisfies Record<string, { unit: string; read(of: QueueReading): number }>;

/** Dimensions `FunctionName` (as Lambda calls it) and `EventSource` (the binding). */
export type BridgeMetric = keyof typeof COUNTS | keyof typeof LEVELS;
export type QueueMetric = keyof typeof OF_QUEUES;

export type EmfOptions = {
  metrics: Pick<BridgeMetrics, 'bindings' | 'queues'>;
  /** Told one line at a time, without its end. */
  write(line: string): void;
  /** Before the names of functions and of the stream, so that stages in one account are told apart. */
  prefix?: string;
  clock?: Clock;
};

/** Writes every minute what was counted in it, and the rest when the returned function is called. */
export const writeEmf = ({ metrics, write, prefix = '', clock = systemClock }: EmfOptions): (() => void) => {
  const before = new Map<string, number>();
  const since = (binding: string, name: string, total: number): number => {
    const key = `${name} ${binding}`;
    const n = total - (before.get(key) ?? 0);
    before.set(key, total);
    return n;
  };
  const writeAll = () => {
    for (const [binding, of] of metrics.bindings) {
      const counts = Object.entries(COUNTS).map(([name, count]) => {
        const n = since(binding, name, count(of).read());
        return { name, unit: 'Count', value: n > 0 ? n : undefined };
      });
      const levels = Object.entries(LEVELS).map(([name, { unit, read }]) => ({ name, unit, value: read(of) }));
      const known = [...counts, ...levels].filter((metric): metric is Metric => metric.value !== undefined);
      const names = { FunctionName: `${prefix}${binding.split('.')[0]}`, EventSource: binding };
      if (known.length > 0) write(emfLine([Object.keys(names)], names, known, clock.now()));
    }
    for (const queue of metrics.queues.read().filter((one) => depthOf(one) > 0)) {
      const names = { Stream: `${prefix}${WORK_STREAM}`, Domain: queue.domain, Priority: queue.priority };
      const levels = Object.entries(OF_QUEUES).map(([name, { unit, read }]) => ({ name, unit, value: read(queue) }));
      write(emfLine([['Stream'], Object.keys(names)], names, levels, clock.now()));
    }
  };
  let cancel: () => void;
  const tick = () => {
    cancel = clock.after(EVERY_MS, () => {
      writeAll();
      tick();
    });
  };
  tick();
  return () => {
    cancel();
    writeAll();
  };
};

type Metric = { name: string; unit: string; value: number };

/** `names`: the values of all dimensions. */
const emfLine = (dimensions: string[][], names: Record<string, string>, metrics: Metric[], timestamp: number): string => {
  const directive = {
    Namespace: BRIDGE_NAMESPACE,
    Dimensions: dimensions,
    Metrics: metrics.map(({ name, unit }) => ({ Name: name, Unit: unit })),
  };
  return JSON.stringify({
    _aws: { Timestamp: timestamp, CloudWatchMetrics: [directive] },
    ...names,
    ...Object.fromEntries(metrics.map(({ name, value }) => [name, value])),
  });
};
