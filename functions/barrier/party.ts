/** At which barriers an agent was: when it is gone, each is told so by a message, in whose order it is decided as any other. */
import * as z from 'zod';
import { type Alarm, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';
import { barrier } from '#shared/messages/barrier.ts';
import { agentStopped } from '#shared/messages/lifecycle.ts';
import { output, type Received } from '#shared/messages/message.ts';
import { failure } from '#shared/messages/supervision.ts';
import { isGone } from '#shared/supervision/gone.ts';

const DAY_MS = 24 * 3_600_000;
const KEEP_MS = 7 * DAY_MS;
const MAX_BARRIERS = 50;

/** `barriers`: since when, epoch ms; those that it came to last. */
const partySchema = z.object({ barriers: z.record(z.string(), z.number()) });
export type Party = z.infer<typeof partySchema>;

export const partyKind: Kind<Party> = {
  kind: 'party',
  schema: partySchema,
  version: 1,
  expiresAt: ({ barriers }) => Math.max(...Object.values(barriers)) + KEEP_MS,
};

export const partyKey = (agentId: string): EntityKey => keyOf(partyKind.kind, agentId);

/** Undefined: that is known, and not for long. */
export const withBarrier = (party: Party | undefined, barrierId: string, now: number): Party | undefined => {
  const { [barrierId]: since = -Infinity, ...others } = party?.barriers ?? {};
  if (now - since < DAY_MS) return undefined;
  const kept = Object.entries(others).sort(([, a], [, b]) => a - b);
  return { barriers: Object.fromEntries([...kept, [barrierId, now] as const].slice(-MAX_BARRIERS)) };
};

type Event = Received<typeof agentStopped | typeof failure>;

export const decide = (party: Party | undefined, event: Event | Alarm, { id }: { id: string }): Decision<Party> => {
  if (event.message === 'alarm' || !party) return done();
  if (event.message === 'failure' && !isGone(event.body)) return done();
  const gone = (barrier_id: string) => output(barrier, { barrier_id }, { barrier_id, participant: id, gone_at: iso(event.sentAt) });
  return done({ publish: Object.keys(party.barriers).map(gone) });
};

export const parties = defineEntity({
  of: partyKind,
  accepts: [agentStopped, failure],
  id: (event) => event.body.agent_id,
  decide,
});
