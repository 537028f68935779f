/** An agent says that it is there, is found by what it can do, and has its state in a bucket. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, request, requestUntil, listen, check }: Client): Promise<void> => {
  const [ann, capability] = [id('ann'), id('sentiment')];
  // A put into a bucket is a publish.
  const kept = await listen(`$KV.AGENT_STATE.agent.${ann}`);

  publish(`agent.${ann}.created`, { domain: 'example', name: 'analyst', capabilities: [capability] });
  publish(`agent.${ann}.ready`, { current_load: 0.25 });
  const wanted = { capability, healthy: true };
  await requestUntil('the registration', 'agents.discovery.find', wanted, ({ agents }) => agents.length === 1);
  await kept('its state in the bucket', ({ status }) => status === 'ready');

  say(`${ann} ends`);
  publish(`agent.${ann}.stopped`, { reason: 'shutdown' });
  await requestUntil('its end', 'agents.discovery.resolve', { agent_id: ann }, (answer) => answer.agent.state === 'terminated');
  const { agents } = await request('agents.discovery.find', wanted);
  check(agents.length === 0, 'it is still found');
};
