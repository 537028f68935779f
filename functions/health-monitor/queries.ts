/** `control.health.show`: what is known of an agent's health. */
import { defineQuery } from '#shared/function/query.ts';
import { controlHealthShow } from '#shared/messages/control-supervision.ts';
import { type Health, healthKind, toWire } from './health.ts';

export const show = defineQuery({
  message: controlHealthShow,
  read: async ({ body: { agent_id } }, reader) => (await reader.load(healthKind, [agent_id])).get(agent_id),
  answer: (health: Health | undefined, { body: { agent_id } }) =>
    health
      ? { body: { health: toWire(agent_id, health) } }
      : { error: { code: 'not_found', message: `nothing was heard of the health of agent ${agent_id}: it sends heartbeats first` } },
});
