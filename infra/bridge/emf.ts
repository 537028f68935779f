/**
 * The metrics of Lambda's event source mappings for CloudWatch, in its embedded metric format: one JSON line a binding and
 * minute on standard output, which the log agent of a container on AWS (or a log driver) takes from there.
 */
import { type Clock, systemClock } from '#shared/clock.ts';
import type { BindingMetrics, BridgeMetrics } from './metrics.ts';

const EVERY_MS = 60_000;
const NAMESPACE = 'MisterSmith/Bridge';

const COUNTS: Record<string, (of: BindingMetrics) => { read(): number }> = {
  PolledEventCount: (of) => of.polled,
  FilteredOutEventCount: (of) => of.filteredOut,
  InvokedEventCount: (of) => of.invoked,
  FailedInvokeEventCount: (of) => of.failedInvoke,
  DroppedEventCount: (of) => of.dropped,
  OnFailureDestinationDeliveredEventCount: (of) => of.onFailureDestinationDelivered,
};

/** Left out where they are not known. */
const LEVELS: Record<string, { unit: string; read(of: BindingMetrics): number | undefined }> = {
  OffsetLag: { unit: 'Count', read: (of) => of.lag.read() },
  IteratorAge: {
    unit: 'Milliseconds',
    read: (of) => {
      const seconds = of.oldestAgeSeconds.read();
      return seconds === undefined ? undefined : Math.round(seconds * 1000);
    },
  },
};

export type EmfOptions = {
  metrics: Pick<BridgeMetrics, 'bindings'>;
  /** Told one line at a time, without its end. */
  write(line: string): void;
  clock?: Clock;
};

/** Writes every minute what was counted in it, and the rest when the returned function is called. */
export const writeEmf = ({ metrics, write, clock = systemClock }: EmfOptions): (() => void) => {
  const before = new Map<string, number>();
  const since = (binding: string, name: string, total: number): number => {
    const key = `${name} ${binding}`;
    const n = total - (before.get(key) ?? 0);
    before.set(key, total);
    return n;
  };
  const writeAll = () => {
    for (const [binding, of] of metrics.bindings) {
      const counts = Object.entries(COUNTS).map(([name, count]) => ({
        name,
        unit: 'Count',
        value: since(binding, name, count(of).read()),
      }));
      const levels = Object.entries(LEVELS).map(([name, { unit, read }]) => ({ name, unit, value: read(of) }));
      write(emfLine(binding, [...counts, ...levels], clock.now()));
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

const emfLine = (binding: string, metrics: { name: string; unit: string; value: number | undefined }[], timestamp: number): string => {
  const known = metrics.filter(({ value }) => value !== undefined);
  const directive = {
    Namespace: NAMESPACE,
    Dimensions: [['FunctionName', 'EventSource']],
    Metrics: known.map(({ name, unit }) => ({ Name: name, Unit: unit })),
  };
  return JSON.stringify({
    _aws: { Timestamp: timestamp, CloudWatchMetrics: [directive] },
    FunctionName: binding.split('.')[0],
    EventSource: binding,
    ...Object.fromEntries(known.map(({ name, value }) => [name, value])),
  });
};
