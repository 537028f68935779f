/** `control.health.show`: what is known of an agent's health. */
import { showQuery } from '#shared/function/entity-query.ts';
import { controlHealthShow } from '#shared/messages/control-supervision.ts';
import { healthKind, toWire } from './health.ts';

export const show = showQuery({
  message: controlHealthShow,
  kind: healthKind,
  id: ({ body }) => body.agent_id,
  body: (id, health) => ({ health: toWire(id, health) }),
  missing: (id) => `nothing was heard of the health of agent ${id}: it sends heartbeats first`,
});
