/** Six failures of an agent within a minute are one episode, with a confidence that is computed. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, request, listen, check }: Client): Promise<void> => {
  const worker = id('worker');
  const episodes = await listen('supervision.events', ({ affected_agents }) => affected_agents?.includes(worker));

  say(`${worker} fails again and again, never badly`);
  for (let n = 0; n < 6; n++)
    publish('supervision.failures.low', { event_id: id('failure'), agent_id: worker, failure_type: 'timeout_failure', severity: 'low' });
  const { confidence } = await episodes('the episode', ({ pattern_type }) => pattern_type === 'failure_spike');
  check(confidence > 0.9, `the confidence is ${confidence}`);
  say(`a failure spike, with confidence ${confidence}; what is open:`);
  await request('control.patterns.list', { pattern_type: 'failure_spike' });
};
