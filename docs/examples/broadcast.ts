/** An event for every agent of the domains that have a capability, whatever their names. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, request, listen, agent }: Client): Promise<void> => {
  const [domain, capability] = [id('vision'), id('ocr')];
  await agent(id('ann'), { domain, capabilities: [capability] });
  // Without a queue group: each agent hears it.
  const [ann, ben] = [await listen(`broadcast.domain.${domain}.*`), await listen(`broadcast.domain.${domain}.*`)];

  say(`who can do ${capability} has a new model`);
  const event = { scope: 'domain', capability, event: 'model_changed', payload: { model: 'v2' }, by: 'kim' };
  await request('control.broadcast.send', event);
  for (const hears of [ann, ben]) await hears('the broadcast', ({ model }) => model === 'v2');
};
