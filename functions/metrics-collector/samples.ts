/** The samples that a message carries. Pure. */
import { PUBLISHED_BY } from '#shared/contract.ts';
import { headerOf } from '#shared/messages/headers.ts';
import type { agentHeartbeat } from '#shared/messages/lifecycle.ts';
import type { Received } from '#shared/messages/message.ts';
import type { agentMetric, systemMetric } from '#shared/messages/metrics.ts';
import type { health } from '#shared/messages/supervision.ts';
import { isToken } from '#shared/subjects.ts';

export type Measurement = Received<typeof agentMetric | typeof systemMetric | typeof agentHeartbeat | typeof health>;

/** `at`: epoch ms. */
export type Sample = { metric: string; value: number; at: number };

const MAX_NAME = 64;

/** Names that any object has are none: rollups are kept by name. */
const isName = (metric: string): boolean => isToken(metric) && metric.length <= MAX_NAME && !(metric in Object.prototype);

export const samplesOf = (event: Measurement): Sample[] => {
  // Somebody whose clock is ahead did not measure it later than it was heard.
  const at = Math.min(event.sentAt, event.body.timestamp === undefined ? event.sentAt : Date.parse(event.body.timestamp));
  const named = (values: Record<string, unknown>): Sample[] =>
    Object.entries(values).flatMap(([metric, value]) => (typeof value === 'number' && isName(metric) ? [{ metric, value, at }] : []));
  switch (event.message) {
    case 'agentMetric':
    case 'systemMetric':
      return named({ [event.params.metric]: event.body.value });
    case 'agentHeartbeat': {
      const { current_load, active_tasks, metrics } = event.body;
      // The registry keeps the load of an agent that measures nothing else: it costs no write here.
      return metrics ? named({ ...metrics, current_load, active_tasks }) : [];
    }
    case 'health':
      // What a function says repeats what the agent measured.
      return headerOf(event.headers, PUBLISHED_BY) === undefined ? named(event.body.metrics ?? {}) : [];
    default:
      throw event satisfies never;
  }
};
