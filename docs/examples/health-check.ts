/** How is everybody? One request, the word of each agent, and who is silent. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, request, answer, agent, check }: Client): Promise<void> => {
  const [ann, away] = [id('ann'), id('away')];
  await answer(`health.check.${ann}`, () => ({ agent_id: ann, status: 'ready', uptime_seconds: 12, current_load: 0.2 }));
  for (const agentId of [ann, away]) await agent(agentId);

  say('who is asked has almost four seconds');
  const { agents, missing } = await request('health.check.all', '', 4000);
  check(
    agents.some(({ agent_id }: { agent_id: string }) => agent_id === ann),
    `${ann} is not among those that answered`,
  );
  check(missing.includes(away), `${away} is not among the missing`);
  say(`${agents.length} answered, ${missing.length} did not`);
};
