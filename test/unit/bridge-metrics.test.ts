import { describe, expect, it } from 'vitest';
import { createMetrics } from '#infra/bridge/observe/metrics.ts';

/** The lines of one metric, without the prefix of all. */
const shown = async (metrics: ReturnType<typeof createMetrics>, name: string): Promise<string[]> =>
  (await metrics.text()).split('\n').flatMap((line) => (line.startsWith(`mistersmith_bridge_${name}`) ? [line.slice(19)] : []));

describe('metrics of the bridge', () => {
  it('count what event source mappings of Lambda count, under their names', async () => {
    const metrics = createMetrics();
    const binding = metrics.binding('fn.events');
    binding.polled.inc(10);
    binding.filteredOut.inc();
    binding.invoked.inc(9);
    binding.failedInvoke.inc('timeout', 2);
    binding.dropped.inc('no_room');
    binding.onFailureDestinationDelivered.inc('not_json');
    const lines = (
      await Promise.all(['polled', 'filtered_out', 'invoked', 'failed', 'dropped', 'on_failure'].map((name) => shown(metrics, name)))
    ).flat();
    expect(lines).toEqual([
      'polled_events_total{binding="fn.events"} 10',
      'filtered_out_events_total{binding="fn.events"} 1',
      'invoked_events_total{binding="fn.events"} 9',
      'failed_invoke_events_total{binding="fn.events",code="timeout"} 2',
      'dropped_events_total{binding="fn.events",code="no_room"} 1',
      'on_failure_destination_delivered_events_total{binding="fn.events",code="not_json"} 1',
    ]);
  });

  it('show a counter of a binding before it has counted anything', async () => {
    const metrics = createMetrics();
    metrics.binding('fn.events');
    expect(await shown(metrics, 'polled')).toEqual(['polled_events_total{binding="fn.events"} 0']);
  });

  it('show latencies in cumulative buckets', async () => {
    const metrics = createMetrics();
    for (const seconds of [0.001, 0.2, 7200]) metrics.binding('fn.events').latencySeconds.observe(seconds);
    const lines = await shown(metrics, 'latency_seconds');
    expect(lines).toEqual(
      expect.arrayContaining([
        'latency_seconds_bucket{binding="fn.events",le="0.001"} 1',
        'latency_seconds_bucket{binding="fn.events",le="0.25"} 2',
        'latency_seconds_bucket{binding="fn.events",le="3600"} 2',
        'latency_seconds_bucket{binding="fn.events",le="+Inf"} 3',
        'latency_seconds_sum{binding="fn.events"} 7200.201',
        'latency_seconds_count{binding="fn.events"} 3',
      ]),
    );
  });

  it('ask for depths when they are read, and add up the partitions of a function', async () => {
    const metrics = createMetrics();
    const { laneDepth } = metrics.function('fn');
    const unwatch = laneDepth.watch(() => 3);
    laneDepth.watch(() => 4);
    expect(await shown(metrics, 'lane_depth')).toEqual(['lane_depth{function="fn"} 7']);
    unwatch();
    expect(await shown(metrics, 'lane_depth')).toEqual(['lane_depth{function="fn"} 4']);
  });

  it('do not show a lag that is not known, nor one that is not known any more', async () => {
    const metrics = createMetrics();
    const { lag } = metrics.binding('fn.events');
    expect(await shown(metrics, 'lag')).toEqual([]);
    lag.set(0);
    expect(await shown(metrics, 'lag')).toEqual(['lag{binding="fn.events"} 0']);
    lag.set(undefined);
    expect(await shown(metrics, 'lag')).toEqual([]);
  });
});
