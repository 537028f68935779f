/** From the publish of a critical failure to its escalation at a subscriber, one at a time on an idle stack. */
import { setupStack } from '#test/support/stack.ts';
import type { Bench } from './bench.ts';
import { quantile } from './quantile.ts';

const WARM_UP = 100;
const FAILURES = 1000;

export const escalation: Bench = {
  cases: ['idle'],
  run: async () => {
    const stack = await setupStack();
    try {
      const arrived = new Map<string, (at: number) => void>();
      stack.nc.subscribe('supervision.escalation.1', {
        callback: (_, message) => arrived.get(message.json<{ agent_id: string }>().agent_id)?.(performance.now()),
      });
      await stack.nc.flush();
      const latencies: number[] = [];
      for (let n = 0; n < WARM_UP + FAILURES; n++) {
        const agent_id = `bench-${n}`;
        const arrival = new Promise<number>((resolve) => arrived.set(agent_id, resolve));
        const started = performance.now();
        stack.nc.publish(
          'supervision.failures.critical',
          JSON.stringify({ agent_id, failure_type: 'process_crash', severity: 'critical', event_id: agent_id }),
        );
        const latency = (await arrival) - started;
        if (n >= WARM_UP) latencies.push(latency);
      }
      return [
        { figure: 'p50_ms', value: quantile(latencies, 0.5), unit: 'ms' },
        { figure: 'p99_ms', value: quantile(latencies, 0.99), unit: 'ms' },
      ];
    } finally {
      await stack.stop();
    }
  },
};
