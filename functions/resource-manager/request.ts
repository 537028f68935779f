/** What agents ask of a resource: to acquire, renew, release or transfer it. Pure. */
import type { ResourceRequest } from '#shared/messages/resource.ts';
import { agreeOnCapacity } from './capacity.ts';
import { stuckAt } from './deadlock.ts';
import { type Desk, grant, handOn, holderOf, holdingsOf, isOver, leaveQueue, letGo, put, say, waiterOf } from './desk.ts';
import { granted, refused, type Told, wouldLock } from './outputs.ts';
import { countOf, type Holder } from './resource.ts';
import { beginWait } from './waiting.ts';

/** Resources that an agent holds or waits for. */
const MAX_HOLDINGS = 200;

export type Request = { body: ResourceRequest; sentAt: number };

const ttlOf = ({ ttl_ms }: ResourceRequest, { context: { settings } }: Desk, usual = settings.lease.usual): number =>
  Math.min(ttl_ms ?? usual, settings.lease.most);

/** Whether a lease or a wait is of the request that is named, if any is. */
const isOf = ({ request_id }: ResourceRequest, { request }: { request?: string }): boolean => (request_id ?? request) === request;

/** The lease that a request is about: what the requester holds, unless it names another. */
const leaseOf = (desk: Desk, body: ResourceRequest): Holder | undefined => {
  const holder = holderOf(desk, body.requester);
  const meant = holder && (body.fencing_token ?? holder.token) === holder.token && isOf(body, holder) && !isOver(holder, desk.context);
  return meant ? holder : undefined;
};

const notHeld = ({ requester, resource_id, fencing_token, request_id }: ResourceRequest): Told => {
  const which = fencing_token !== undefined ? ` with token ${fencing_token}` : request_id !== undefined ? ` for request ${request_id}` : '';
  return refused('not_held', `agent ${requester} does not hold ${resource_id}${which}: its lease is over, acquire it anew`);
};

const tooMuch = (desk: Desk, agent: string): Told | undefined =>
  countOf(holdingsOf(desk, agent)) < MAX_HOLDINGS
    ? undefined
    : refused('too_many', `agent ${agent} holds or waits for ${MAX_HOLDINGS} resources, which is the limit: release some`);

const acquire = (desk: Desk, { body, sentAt }: Request): Told | undefined => {
  const { requester: agent, request_id } = body;
  const conflict = agreeOnCapacity(desk, body);
  if (conflict) return conflict;
  const { holders, waiters, capacity } = desk.resource;
  const asked = { agent, ttl: ttlOf(body, desk), heardAt: sentAt, ...(request_id !== undefined && { request: request_id }) };
  const holder = holderOf(desk, agent);
  if (holder && holder.request === request_id) {
    put(desk, { holders: holders.map((one) => (one === holder ? { ...one, heardAt: Math.max(one.heardAt, sentAt) } : one)) });
    return granted(holder);
  }
  if (holder) {
    letGo(desk, agent);
    grant(desk, asked);
    return undefined;
  }
  const place = waiters.findIndex((one) => one.agent === agent);
  if (place !== -1) {
    put(desk, {
      waiters: waiters.map((one) =>
        one.agent === agent ? { ...asked, since: one.since, ...(one.looked && { looked: one.looked }) } : one,
      ),
    });
    return { status: 'queued', position: place + 1 };
  }
  const refusal = tooMuch(desk, agent);
  if (refusal) return refusal;
  if (holders.length >= capacity) return beginWait(desk, { ...asked, since: desk.context.now });
  grant(desk, asked);
  return undefined;
};

const renew = (desk: Desk, { body, sentAt }: Request): Told => {
  const lease = leaseOf(desk, body);
  if (!lease) return notHeld(body);
  const ttl = ttlOf(body, desk, lease.ttl);
  const renewed = {
    ...lease,
    ttl,
    heardAt: Math.max(lease.heardAt, sentAt),
    until: Math.max(lease.until, desk.context.now + ttl),
  };
  put(desk, { holders: desk.resource.holders.map((one) => (one === lease ? renewed : one)) });
  return granted(renewed);
};

const release = (desk: Desk, { body }: Request): Told | undefined => {
  const { requester: agent, fencing_token, gone_at } = body;
  const lease = leaseOf(desk, body);
  const place = waiterOf(desk, agent);
  const waiter = fencing_token === undefined && place && isOf(body, place) ? place : undefined;
  const meant = lease ?? waiter;
  // What it asked for after that is another incarnation's.
  if (gone_at !== undefined && (!meant || meant.heardAt > Date.parse(gone_at))) return undefined;
  if (!meant) return notHeld(body);
  if (lease) letGo(desk, agent);
  else leaveQueue(desk, agent);
  const why = gone_at === undefined ? {} : { code: 'gone', reason: `agent ${agent} was gone at ${gone_at}` };
  return { status: 'released', ...(lease && { fencing_token: lease.token }), ...why };
};

/** Whoever waits for the lease would wait for its receiver: a circle that no wait closes. */
const lockedBy = ({ context: { id, view }, resource }: Desk, lease: Holder, to: string): Told | undefined => {
  const holders = resource.holders.map((one) => (one === lease ? { ...one, agent: to } : one));
  const waiters = resource.waiters.filter(({ agent }) => agent !== to);
  const stuck = stuckAt(new Map([...view.graph, [id, { ...resource, holders, waiters }]]), id);
  return stuck && wouldLock(id, to, stuck);
};

const transfer = (desk: Desk, { body, sentAt }: Request): Told | undefined => {
  const { requester, transfer_to: to, resource_id } = body;
  const lease = leaseOf(desk, body);
  if (to === undefined) return refused('no_receiver', `the transfer of ${resource_id} names nobody: say who gets it in transfer_to`);
  if (!lease) return notHeld(body);
  if (holderOf(desk, to)) return refused('already_held', `agent ${to} holds ${resource_id} already: release it instead`);
  const waiter = waiterOf(desk, to);
  const refusal = (waiter ? undefined : tooMuch(desk, to)) ?? lockedBy(desk, lease, to);
  if (refusal) return refusal;
  letGo(desk, requester);
  say(desk, requester, { status: 'released', fencing_token: lease.token });
  const { since: _, looked: __, ...asked } = waiter ?? { since: 0, agent: to, ttl: lease.ttl, heardAt: sentAt };
  leaveQueue(desk, to);
  grant(desk, { ...asked, ttl: ttlOf(body, desk, asked.ttl) });
  return undefined;
};

const answerTo = (desk: Desk, request: Request): Told | undefined => {
  const { coordination_type } = request.body;
  switch (coordination_type) {
    case 'acquire':
      return acquire(desk, request);
    case 'renew':
      return renew(desk, request);
    case 'release':
      return release(desk, request);
    case 'transfer':
      return transfer(desk, request);
    default:
      throw coordination_type satisfies never;
  }
};

export const serve = (desk: Desk, request: Request): void => {
  const answer = answerTo(desk, request);
  if (answer) say(desk, request.body.requester, answer);
  handOn(desk);
};
