/** A command to all agents of a domain, and who answered it. One of them is away. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, request, answer, agent, check }: Client): Promise<void> => {
  const domain = id('nlp');
  const [ann, ben, away] = [id('ann'), id('ben'), id('away')];
  for (const agentId of [ann, ben])
    await answer(`agent.${agentId}.cmd.*`, (_, subject) => ({ status: 'ok', did: subject.split('.').at(-1) }));
  for (const agentId of [ann, ben, away]) await agent(agentId, { domain });

  say(`pause whoever is in ${domain}; who is silent gets it again, until 3 s are over`);
  const order = { command: 'pause', to: { domain }, reason: 'upgrade', by: 'kim', timeout_ms: 3000 };
  const { counts, missing } = await request('control.command.send', order);
  check(counts.answered === 2, `${counts.answered} have answered, not 2`);
  check(missing.join() === away, `missing is ${missing.join()}, not ${away}`);
};
