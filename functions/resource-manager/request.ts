/** What agents ask of a resource: to acquire, renew, release or transfer it. Pure. */
import * as z from 'zod';
import type { ResourceRequest } from '#shared/messages/resource.ts';
import { victimAt } from './deadlock.ts';
import { type Desk, grant, handOn, holderOf, holdingsOf, isOver, leaveQueue, letGo, put, queue, say } from './desk.ts';
import { deadlocked, granted, refused, type Told } from './outputs.ts';
import { countOf, type Holder, isIdle, type Waiter } from './resource.ts';

const MAX_CAPACITY = 500;
/** Resources that an agent holds or waits for. */
const MAX_HOLDINGS = 200;

export type Request = { body: ResourceRequest; sentAt: number };

const ttlOf = ({ ttl_ms }: ResourceRequest, { context: { settings } }: Desk, usual = settings.lease.usual): number =>
  Math.min(ttl_ms ?? usual, settings.lease.most);

/** The lease that a request is about: what the requester holds, unless it names another. */
const leaseOf = (desk: Desk, { requester, fencing_token }: ResourceRequest): Holder | undefined => {
  const holder = holderOf(desk, requester);
  const meant = holder && (fencing_token ?? holder.token) === holder.token && !isOver(holder, desk.context);
  return meant ? holder : undefined;
};

const notHeld = ({ requester, resource_id, fencing_token }: ResourceRequest): Told => {
  const token = fencing_token === undefined ? '' : ` with token ${fencing_token}`;
  return refused('not_held', `agent ${requester} does not hold ${resource_id}${token}: its lease is over, acquire it anew`);
};

const details = z.object({ capacity: z.number() });

/** The capacity that the request names becomes that of a resource which nobody uses. */
const agreeOnCapacity = (desk: Desk, { resource_id, resource_details }: ResourceRequest): Told | undefined => {
  const named = details.safeParse(resource_details).data?.capacity;
  const { capacity } = desk.resource;
  if (named === undefined || named === capacity) return undefined;
  if (!Number.isInteger(named) || named < 1 || named > MAX_CAPACITY)
    return refused('invalid_capacity', `capacity ${named} of ${resource_id} is none: name a whole number from 1 to ${MAX_CAPACITY}`);
  if (!isIdle(desk.resource)) {
    const reason = `${resource_id} has capacity ${capacity}, not ${named}: leave it out, or ask when nobody holds ${resource_id}`;
    return refused('capacity_conflict', reason);
  }
  put(desk, { capacity: named });
  return undefined;
};

const wouldDeadlock = (desk: Desk, waiter: Waiter): Told | undefined => {
  const { id, view } = desk.context;
  const { resource } = desk;
  const victim = victimAt(new Map([...view.graph, [id, { ...resource, waiters: [...resource.waiters, waiter] }]]), id);
  return victim?.agent === waiter.agent ? deadlocked(id, victim) : undefined;
};

const tooMuch = (desk: Desk, agent: string): Told | undefined =>
  countOf(holdingsOf(desk, agent)) < MAX_HOLDINGS
    ? undefined
    : refused('too_many', `agent ${agent} holds or waits for ${MAX_HOLDINGS} resources, which is the limit: release some`);

const beginWait = (desk: Desk, waiter: Waiter): Told | undefined => {
  const { id, settings } = desk.context;
  if (desk.resource.waiters.length >= settings.maxWaiters)
    return refused('queue_full', `${settings.maxWaiters} wait for ${id} already, which is the limit: try again later`);
  const deadlock = wouldDeadlock(desk, waiter);
  if (!deadlock) queue(desk, waiter);
  return deadlock;
};

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
  const waiter = fencing_token === undefined ? desk.resource.waiters.find((one) => one.agent === agent) : undefined;
  const meant = lease ?? waiter;
  // What it asked for after that is another incarnation's.
  if (gone_at !== undefined && (!meant || meant.heardAt > Date.parse(gone_at))) return undefined;
  if (!meant) return notHeld(body);
  if (lease) letGo(desk, agent);
  else leaveQueue(desk, agent);
  const why = gone_at === undefined ? {} : { code: 'gone', reason: `agent ${agent} was gone at ${gone_at}` };
  return { status: 'released', ...(lease && { fencing_token: lease.token }), ...why };
};

const transfer = (desk: Desk, { body, sentAt }: Request): Told | undefined => {
  const { requester, transfer_to: to, resource_id } = body;
  const lease = leaseOf(desk, body);
  if (to === undefined) return refused('no_receiver', `the transfer of ${resource_id} names nobody: say who gets it in transfer_to`);
  if (!lease) return notHeld(body);
  if (holderOf(desk, to)) return refused('already_held', `agent ${to} holds ${resource_id} already: release it instead`);
  const refusal = tooMuch(desk, to);
  if (refusal) return refusal;
  letGo(desk, requester);
  say(desk, requester, { status: 'released', fencing_token: lease.token });
  if (desk.resource.waiters.some(({ agent }) => agent === to)) leaveQueue(desk, to);
  grant(desk, { agent: to, ttl: ttlOf(body, desk, lease.ttl), heardAt: sentAt });
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
