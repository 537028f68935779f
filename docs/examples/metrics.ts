/** What agents measure is rolled up, with quantiles, for whoever asks. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, requestUntil }: Client): Promise<void> => {
  const ann = id('ann');
  for (const value of [120, 80, 95, 110, 700]) publish(`metrics.agent.${ann}.response_time_ms`, { value, unit: 'ms' });
  say('five samples; they are written within ten seconds');
  const question = { metric: 'response_time_ms', agent_id: ann, resolution: '10s' };
  const hasAll = (answer: { points: { count: number }[] }) => answer.points.reduce((all, { count }) => all + count, 0) === 5;
  const { points } = await requestUntil('the roll-up', 'control.metrics.query', question, hasAll);
  say(`half of them took ${Math.round(points.at(-1).p50)} ms at most, the slowest ${points.at(-1).max}`);
};
