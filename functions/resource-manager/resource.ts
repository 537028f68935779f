/**
 * A resource: who holds it, by leases, and who waits for it, in the order in which they came. And of an agent all that it holds
 * and waits for: the edges of the wait-for graph. Plain data; times are epoch ms.
 */
import * as z from 'zod';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';

const place = {
  agent: z.string(),
  /** ms that a lease lasts. */
  ttl: z.number(),
  /** When the agent last asked for it, by the server's clock. */
  heardAt: z.number(),
  /** Its id of the request, where it has one. */
  request: z.string().exactOptional(),
};
const holderSchema = z.object({ ...place, token: z.number(), until: z.number() });
const waiterSchema = z.object({
  ...place,
  since: z.number(),
  /** Whether it was looked at once more for a deadlock. */
  looked: z.literal(true).exactOptional(),
});

const resourceSchema = z.object({
  type: z.string().exactOptional(),
  /** How many may hold it at once. */
  capacity: z.int().min(1),
  /** The last fencing token. */
  token: z.number(),
  holders: z.array(holderSchema),
  waiters: z.array(waiterSchema),
  at: z.number(),
});

export type Holder = z.infer<typeof holderSchema>;
export type Waiter = z.infer<typeof waiterSchema>;
export type Resource = z.infer<typeof resourceSchema>;

const DAY_MS = 24 * 3_600_000;
/** A resource that was forgotten begins with the time as its token, so tokens grow nevertheless. */
const KEEP_IDLE_MS = 30 * DAY_MS;
/** By which the resources are found that somebody holds. */
export const HELD = 'resource.held';

export const isIdle = ({ holders, waiters }: Pick<Resource, 'holders' | 'waiters'>): boolean => holders.length + waiters.length === 0;

export const resourceKind: Kind<Resource> = {
  kind: 'resource',
  schema: resourceSchema,
  version: 1,
  expiresAt: (resource) => (isIdle(resource) ? resource.at + KEEP_IDLE_MS : undefined),
  lookup: (resource) => (isIdle(resource) ? undefined : HELD),
};

const holdingsSchema = z.object({
  /** Fencing tokens, by resource. */
  holds: z.record(z.string(), z.number()),
  /** Since when, by resource. */
  waits: z.record(z.string(), z.number()),
  at: z.number(),
});
export type Holdings = z.infer<typeof holdingsSchema>;

export const NO_HOLDINGS: Holdings = { holds: {}, waits: {}, at: 0 };

export const countOf = ({ holds, waits }: Holdings): number => Object.keys(holds).length + Object.keys(waits).length;

export const holdingsKind: Kind<Holdings> = {
  kind: 'holdings',
  schema: holdingsSchema,
  version: 1,
  expiresAt: (holdings) => (countOf(holdings) === 0 ? holdings.at + DAY_MS : undefined),
};

export const holdingsKey = (agentId: string): EntityKey => keyOf(holdingsKind.kind, agentId);

/** Those whose lease ends first. */
export const firstToEnd = ({ holders }: Pick<Resource, 'holders'>, most: number): Holder[] =>
  holders.toSorted((a, b) => a.until - b.until).slice(0, most);

const WAITERS_SHOWN = 100;

/** As operators see it. */
export const toWire = (id: string, { type, capacity, token, holders, waiters }: Resource) => ({
  resource_id: id,
  ...(type !== undefined && { resource_type: type }),
  capacity,
  fencing_token: token,
  holders: holders.map(({ agent, token: theirs, until }) => ({
    requester: agent,
    fencing_token: theirs,
    lease_until: iso(until),
  })),
  waiting: waiters.length,
  waiters: waiters.slice(0, WAITERS_SHOWN).map(({ agent, since }) => ({ requester: agent, since: iso(since) })),
});
