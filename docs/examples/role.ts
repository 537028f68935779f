/** A request to a role is answered by one of its healthy instances: nobody has to know their ids. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, request, requestUntil, answer, agent, check }: Client): Promise<void> => {
  const domain = id('text');
  const [ann, ben] = [id('ann'), id('ben')];
  for (const agentId of [ann, ben]) {
    await answer(`agent.${agentId}.cmd.execute`, ({ text }) => ({ by: agentId, summary: text.slice(0, 5) }));
    await agent(agentId, { domain, name: 'summarizer', metadata: { addressed: true } });
  }
  const summarize = () => request(`agents.${domain}.summarizer.summarize`, { text: 'A long text' });
  const { by } = await summarize();
  say(`${by} has done it; now ${ann} is not heard of any more`);

  publish(`supervision.health.${ann}`, { type: 'health', agent_id: ann, status: { state: 'unresponsive' } });
  await requestUntil('the end of its health', 'agents.discovery.resolve', { agent_id: ann }, (answer) => !answer.agent.healthy);
  for (let n = 0; n < 3; n++) check((await summarize()).by === ben, `${ann} is asked all the same`);
  say(`everything goes to ${ben}`);
};
