/** What the bridge counts, for Prometheus. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

export type BridgeMetrics = ReturnType<typeof createMetrics>;

export const createMetrics = () => {
  const registry = new Registry();
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name: `mistersmith_bridge_${name}_total`, help, labelNames, registers: [registry] });
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `mistersmith_bridge_${name}`, help, labelNames: ['function'] as const, buckets, registers: [registry] });

  const watched = new Map<string, () => number>();
  new Gauge({
    name: 'mistersmith_bridge_held_messages',
    help: 'Messages that the bridge holds, queued or in flight',
    labelNames: ['binding'] as const,
    registers: [registry],
    collect() {
      for (const [binding, read] of watched) this.set({ binding }, read());
    },
  });

  return {
    received: counter('received', 'Messages taken in', ['binding']),
    redelivered: counter('redelivered', 'Messages delivered again while the bridge still held them', ['binding']),
    filtered: counter('filtered', 'Messages that the filter of their binding left out', ['binding']),
    dropped: counter('dropped', 'Core messages dropped because the bridge was full', ['binding']),
    failed: counter('failed', 'Records that a function did not process, by reason', ['binding', 'code']),
    deadLettered: counter('dead_lettered', 'Records given up on, by reason', ['binding', 'code']),
    unrouted: counter('unrouted', 'Messages on a stream whose subject nobody knows', ['stream']),
    published: counter('published', 'Messages published for a function', ['function']),
    publishErrors: counter('publish_errors', 'Publishes that failed and are tried again', ['function']),
    invocations: counter('invocations', 'Invocations that were answered', ['function']),
    invocationErrors: counter('invocation_errors', 'Invocations that failed, by kind', ['function', 'kind']),
    invocationSeconds: histogram(
      'invocation_seconds',
      'Duration of an invocation',
      [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    ),
    batchSize: histogram('batch_size', 'Records in an invocation', [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500]),
    held: { watch: (binding: string, read: () => number) => void watched.set(binding, read) },
    text: () => registry.metrics(),
  };
};
