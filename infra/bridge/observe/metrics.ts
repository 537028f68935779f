/**
 * What the bridge counts. Whoever counts holds the handle of its binding or function; Prometheus (here) and CloudWatch
 * (`emf.ts`) read the numbers. What AWS Lambda's event source mappings count too keeps its name: PolledEventCount is
 * `polled_events_total`.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import { depthOf, type QueueReading } from '../queues/read-queues.ts';
import { type Count, type CountByCode, count, countByCode, type Histogram, histogram, level, watched } from './series.ts';

const SIZES = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];
const INVOCATION_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900];
/** Retries and backlogs make hours of it. */
const LATENCY_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600];

const newBinding = () => ({
  polled: count(),
  filteredOut: count(),
  redelivered: count(),
  /** Records that the function was called with, each time. */
  invoked: count(),
  /** Of these, the ones that failed: with their whole invocation, or named in its answer. */
  failedInvoke: countByCode(),
  dropped: countByCode(),
  onFailureDestinationDelivered: countByCode(),
  batchSize: histogram(SIZES),
  latencySeconds: histogram(LATENCY_SECONDS),
  held: watched(),
  lag: level(),
  oldestAgeSeconds: level(),
  /** 1 or 0. */
  paused: level(),
});

const newFunction = () => ({
  invocations: count(),
  /** By the kind of InvokeError. */
  invocationErrors: countByCode(),
  invocationSeconds: histogram(INVOCATION_SECONDS),
  published: count(),
  publishErrors: count(),
  laneDepth: watched(),
  lanesBusy: watched(),
  concurrencyLimit: watched(),
});

export type BindingMetrics = ReturnType<typeof newBinding>;
export type FunctionMetrics = ReturnType<typeof newFunction>;
export type BridgeMetrics = ReturnType<typeof createMetrics>;

/** By name, made when first asked for. */
const family = <T>(make: () => T): Map<string, T> & { of(name: string): T } => {
  const members = new Map<string, T>();
  return Object.assign(members, { of: (name: string) => members.get(name) ?? (members.set(name, make()).get(name) as T) });
};

export const createMetrics = () => {
  const registry = new Registry();
  const bindings = family(newBinding);
  const functions = family(newFunction);
  const duties = family(level);

  const b = exposed(registry, 'binding', bindings);
  b.counter('polled_events', 'PolledEventCount: messages read, those that are left out included', (m) => m.polled);
  b.counter(
    'filtered_out_events',
    'FilteredOutEventCount: messages left out: by the filter, or published by the function itself',
    (m) => m.filteredOut,
  );
  b.counter('invoked_events', 'InvokedEventCount: messages that the function was called with, each time', (m) => m.invoked);
  b.counterByCode('failed_invoke_events', 'FailedInvokeEventCount: messages that failed, each time', (m) => m.failedInvoke);
  b.counterByCode('dropped_events', 'DroppedEventCount: messages lost without a dead letter', (m) => m.dropped);
  b.counterByCode(
    'on_failure_destination_delivered_events',
    'OnFailureDestinationDeliveredEventCount: messages that became dead letters',
    (m) => m.onFailureDestinationDelivered,
  );
  b.counter('redelivered', 'Messages delivered again while the bridge still held them', (m) => m.redelivered);
  b.histogram('batch_size', 'Messages in an invocation', (m) => m.batchSize);
  b.histogram('latency_seconds', 'From when a message was stored until it was settled', (m) => m.latencySeconds);
  b.gauge('held_messages', 'Messages that the bridge holds, queued or in flight', (m) => m.held.read());
  b.gauge('lag', 'OffsetLag: messages of the stream that are not settled', (m) => m.lag.read());
  b.gauge('oldest_age_seconds', 'IteratorAge: age of the oldest message that is not settled', (m) => m.oldestAgeSeconds.read());
  b.gauge('paused', 'Whether the binding is paused', (m) => m.paused.read());

  const f = exposed(registry, 'function', functions);
  f.counter('invocations', 'Calls of the function', (m) => m.invocations);
  f.counterByCode('invocation_errors', 'Calls of the function that failed, by kind', (m) => m.invocationErrors, 'kind');
  f.histogram('invocation_seconds', 'Duration of a call', (m) => m.invocationSeconds);
  f.counter('published', 'Messages published for the function', (m) => m.published);
  f.counter('publish_errors', 'Publishes that failed', (m) => m.publishErrors);
  f.gauge('lane_depth', 'Messages that wait in the lanes', (m) => m.laneDepth.read());
  f.gauge('lanes_busy', 'Lanes with a batch in flight', (m) => m.lanesBusy.read());
  f.gauge('concurrency_limit', 'Invocations that may be in flight now', (m) => m.concurrencyLimit.read());

  exposed(registry, 'duty', duties).gauge('owned', 'Whether this bridge owns the function or partition', (m) => m.read());

  let queues: readonly QueueReading[] = [];
  const ofQueues = (name: string, help: string, of: (queue: QueueReading) => number) => {
    const collect = function (this: Gauge<'domain' | 'priority'>) {
      this.reset();
      for (const queue of queues) this.set({ domain: queue.domain, priority: queue.priority }, of(queue));
    };
    new Gauge({ name: `mistersmith_bridge_${name}`, help, labelNames: ['domain', 'priority'], registers: [registry], collect });
  };
  ofQueues('work_queue_depth', 'Messages of a queue of work that are not done', depthOf);
  ofQueues(
    'work_queue_oldest_age_seconds',
    'Age of the oldest message of a queue of work that is not done',
    (queue) => queue.oldestAgeSeconds,
  );

  return {
    binding: bindings.of,
    function: functions.of,
    /** Whether this bridge has the duty: 1 or 0. */
    owned: duties.of,
    bindings: bindings as ReadonlyMap<string, BindingMetrics>,
    /** Of the bridge that looks after them; none at others. */
    queues: {
      set: (readings: readonly QueueReading[]) => {
        queues = readings;
      },
      read: () => queues,
    },
    unrouted: new Counter({
      name: 'mistersmith_bridge_unrouted_total',
      help: 'Messages on a stream whose subject nobody knows',
      labelNames: ['stream'] as const,
      registers: [registry],
    }),
    text: () => registry.metrics(),
  };
};

/** Shows what each member of a family has counted; the family's label says which. */
const exposed = <T>(registry: Registry, label: string, members: ReadonlyMap<string, T>) => {
  const full = (name: string) => `mistersmith_bridge_${name}`;
  const registers = [registry];
  return {
    counter(name: string, help: string, of: (member: T) => Count) {
      const collect = function (this: Counter) {
        this.reset();
        for (const [id, member] of members) this.inc({ [label]: id }, of(member).read());
      };
      new Counter({ name: `${full(name)}_total`, help, labelNames: [label], registers, collect });
    },
    counterByCode(name: string, help: string, of: (member: T) => CountByCode, by = 'code') {
      const collect = function (this: Counter) {
        this.reset();
        for (const [id, member] of members) for (const [code, n] of of(member).byCode) this.inc({ [label]: id, [by]: code }, n);
      };
      new Counter({ name: `${full(name)}_total`, help, labelNames: [label, by], registers, collect });
    },
    /** undefined is not shown. */
    gauge(name: string, help: string, of: (member: T) => number | undefined) {
      const collect = function (this: Gauge) {
        this.reset();
        for (const [id, member] of members) {
          const value = of(member);
          if (value !== undefined) this.set({ [label]: id }, value);
        }
      };
      new Gauge({ name: full(name), help, labelNames: [label], registers, collect });
    },
    /** prom-client has no way to show a histogram that it did not count itself, but takes whatever looks like a metric. */
    histogram(name: string, help: string, of: (member: T) => Histogram) {
      const values = () => [...members].flatMap(([id, member]) => histogramValues(full(name), { [label]: id }, of(member)));
      const metric = { name: full(name), help, type: 'histogram', get: async () => ({ ...metric, values: values() }) };
      registry.registerMetric(metric as unknown as Counter);
    },
  };
};

const histogramValues = (name: string, labels: Record<string, string>, { bounds, counts, sum }: Histogram) => {
  let below = 0;
  const buckets = counts.map((n, i) => {
    below += n;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: String(bounds[i] ?? '+Inf') }, value: below };
  });
  return [...buckets, { metricName: `${name}_sum`, labels, value: sum() }, { metricName: `${name}_count`, labels, value: below }];
};
