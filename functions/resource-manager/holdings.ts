/**
 * What an agent holds and waits for is free when the agent is gone: each resource is told so by a message, in whose order it is
 * decided as any other.
 */
import { type Alarm, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import { iso } from '#shared/iso.ts';
import { agentStopped } from '#shared/messages/lifecycle.ts';
import type { Received } from '#shared/messages/message.ts';
import { failure } from '#shared/messages/supervision.ts';
import { isGone } from '#shared/supervision/gone.ts';
import { abandoned } from './outputs.ts';
import { type Holdings, holdingsKind } from './resource.ts';

type Event = Received<typeof agentStopped | typeof failure>;

export const decide = (holdings: Holdings | undefined, event: Event | Alarm, { id }: { id: string }): Decision<Holdings> => {
  if (event.message === 'alarm' || !holdings) return done();
  if (event.message === 'failure' && !isGone(event.body)) return done();
  const goneAt = iso(event.sentAt);
  return done({
    publish: [
      ...Object.entries(holdings.holds).map(([resource, token]) => abandoned(resource, id, goneAt, token)),
      ...Object.keys(holdings.waits).map((resource) => abandoned(resource, id, goneAt)),
    ],
  });
};

export const holdings = defineEntity({
  of: holdingsKind,
  accepts: [agentStopped, failure],
  id: (event) => event.body.agent_id,
  decide,
});
