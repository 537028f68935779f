/** What the manager says of a resource. */
import { iso } from '#shared/iso.ts';
import { output } from '#shared/messages/message.ts';
import { type ResourceGranted, resourceGranted, resourceRequest } from '#shared/messages/resource.ts';
import type { Victim } from './deadlock.ts';
import type { Holder } from './resource.ts';

export type Told = Pick<ResourceGranted, 'status' | 'request_id' | 'fencing_token' | 'lease_until' | 'position' | 'code' | 'reason'>;

export const told = (resource_id: string, requester: string, what: Told) =>
  output(resourceGranted, { requester }, { resource_id, requester, ...what });

export const granted = ({ token, until, request }: Holder): Told => ({
  status: 'granted',
  ...(request !== undefined && { request_id: request }),
  fencing_token: token,
  lease_until: iso(until),
});

export const refused = (code: string, reason: string): Told => ({ status: 'refused', code, reason });

export const deadlocked = (resource: string, { agent, cycle }: Victim): Told => {
  return refused(
    'deadlock',
    `agent ${agent} would wait for ${resource} for ever (${circleOf(cycle)}): release what it holds and try again`,
  );
};

const circleOf = (cycle: Victim['cycle']): string => cycle.map((wait) => `${wait.agent} waits for ${wait.resource}`).join(', ');

/** Of a transfer, after which somebody would wait for ever. */
export const wouldLock = (resource: string, to: string, { cycle }: Victim): Told =>
  refused('deadlock', `with ${to} holding ${resource} nobody could go on (${circleOf(cycle)}): release it instead`);

/** To the manager itself: a lease, or a place in the queue, of an agent that is gone. */
export const abandoned = (resource_id: string, requester: string, gone_at: string, fencing_token?: number) =>
  output(
    resourceRequest,
    { resource_id },
    { resource_id, coordination_type: 'release', requester, gone_at, ...(fencing_token !== undefined && { fencing_token }) },
  );
