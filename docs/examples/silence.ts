/** An agent that beats three times a second falls silent, and is missed by its own rhythm, long before the fixed 90 s. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, requestUntil, listen, answer, agent }: Client): Promise<void> => {
  const ann = id('ann');
  const health = await listen(`supervision.health.${ann}`);
  // It hears the check, and does not answer.
  await answer(`health.check.${ann}`, () => undefined);
  await agent(ann);
  const beating = setInterval(() => publish(`agent.${ann}.heartbeat`, { status: 'ready' }), 300);
  const known = requestUntil('its rhythm', 'control.health.show', { agent_id: ann }, (answer) => answer.health.rhythm);
  await known.finally(() => clearInterval(beating));

  say(`${ann} falls silent`);
  const silentSince = Date.now();
  await health('its absence', ({ status }) => status.state === 'unresponsive');
  say(`missed after ${((Date.now() - silentSince) / 1000).toFixed(1)} s`);
};
