/** Whether a deployment acts: an event that goes through stream, bridge, function and table, and is answered. */
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';

const PATIENCE_MS = 30_000;

/** Rejects with a sentence where no answer comes. */
export const probe = async (connection: NatsConnection): Promise<void> => {
  const id = `deployment-${Date.now()}`;
  const answers = connection.subscribe(`gather.${id}.complete`, { max: 1 });
  const timer = setTimeout(() => answers.unsubscribe(), PATIENCE_MS);
  const js = jetstream(connection);
  await js.publish(`scatter.${id}.task`, JSON.stringify({ min_responses: 1, max_responses: 1, timeout_ms: PATIENCE_MS }));
  await js.publish(`gather.${id}.result`, JSON.stringify({ agent_id: 'deployment', result: 'it acts' }));
  for await (const _ of answers) return clearTimeout(timer);
  throw new Error(`an event that was published (scatter.${id}.task) had no effect within ${PATIENCE_MS / 1000} s`);
};
