/** What a decision has on its desk: the resource, what the agents hold whom it touches, and what there is to say. Pure. */
import { type Decision, done, type Output } from '#shared/entity/entity.ts';
import type { EntityKey } from '#shared/entity/key.ts';
import { granted, type Told, told } from './outputs.ts';
import { firstToEnd, type Holder, type Holdings, holdingsKey, holdingsKind, NO_HOLDINGS, type Resource, type Waiter } from './resource.ts';
import type { Ctx } from './view.ts';

/** Leases that one decision ends: their agents and the next ones fit a transaction. */
export const ENDED_AT_ONCE = 16;
/** How long after a wait began it is looked at again: what began at the same time was not seen. */
export const LOOK_AGAIN_MS = 1000;

const FREE: Omit<Resource, 'at'> = { capacity: 1, token: 0, holders: [], waiters: [] };

export type Desk = {
  context: Ctx;
  opened: Resource;
  resource: Resource;
  /** Of agents that the decision changes. */
  changed: Map<string, Holdings>;
  publish: Output[];
};

export const openDesk = (before: Resource | undefined, context: Ctx): Desk => {
  const opened = before ?? { ...FREE, at: context.now };
  return { context, opened, resource: opened, changed: new Map(), publish: [] };
};

export const say = (desk: Desk, agent: string, what: Told): void => {
  desk.publish.push(told(desk.context.id, agent, what));
};

export const holdingsOf = ({ changed, context }: Desk, agent: string): Holdings =>
  changed.get(agent) ?? context.also(holdingsKind, agent) ?? NO_HOLDINGS;

export const isOver = ({ until }: Holder, { now, settings }: Ctx): boolean => now >= until + settings.grace;

export const holderOf = ({ resource }: Desk, agent: string): Holder | undefined => resource.holders.find((one) => one.agent === agent);

export const waiterOf = ({ resource }: Desk, agent: string): Waiter | undefined => resource.waiters.find((one) => one.agent === agent);

export const put = (desk: Desk, change: Partial<Resource>): void => {
  desk.resource = { ...desk.resource, ...change };
};

const note = (desk: Desk, agent: string, change: (holdings: Holdings) => Pick<Holdings, 'holds' | 'waits'>): void => {
  desk.changed.set(agent, { ...change(holdingsOf(desk, agent)), at: desk.context.now });
};

const without = (of: Record<string, number>, id: string): Record<string, number> => {
  const { [id]: _, ...rest } = of;
  return rest;
};

/** The token grows with every grant, and is never behind the clock: so it grows too when the resource was forgotten or restored. */
export const grant = (desk: Desk, asked: Omit<Waiter, 'since'>): void => {
  const { id, now } = desk.context;
  const token = Math.max(desk.resource.token + 1, now);
  const { agent, ttl } = asked;
  const holder: Holder = { ...asked, token, until: now + ttl };
  put(desk, { token, holders: [...desk.resource.holders, holder] });
  note(desk, agent, ({ holds, waits }) => ({ holds: { ...holds, [id]: token }, waits: without(waits, id) }));
  say(desk, agent, granted(holder));
};

export const letGo = (desk: Desk, agent: string): void => {
  const { id } = desk.context;
  put(desk, { holders: desk.resource.holders.filter((one) => one.agent !== agent) });
  note(desk, agent, ({ holds, waits }) => ({ holds: without(holds, id), waits }));
};

export const queue = (desk: Desk, waiter: Waiter): void => {
  const { id } = desk.context;
  put(desk, { waiters: [...desk.resource.waiters, waiter] });
  note(desk, waiter.agent, ({ holds, waits }) => ({ holds, waits: { ...waits, [id]: waiter.since } }));
  say(desk, waiter.agent, { status: 'queued', position: desk.resource.waiters.length });
};

export const leaveQueue = (desk: Desk, agent: string): void => {
  const { id } = desk.context;
  put(desk, { waiters: desk.resource.waiters.filter((one) => one.agent !== agent) });
  note(desk, agent, ({ holds, waits }) => ({ holds, waits: without(waits, id) }));
};

export const endLeases = (desk: Desk): void => {
  for (const holder of firstToEnd(desk.resource, ENDED_AT_ONCE)) {
    if (!isOver(holder, desk.context)) continue;
    letGo(desk, holder.agent);
    say(desk, holder.agent, { status: 'expired', fencing_token: holder.token });
  }
};

export const handOn = (desk: Desk): void => {
  for (let [next] = desk.resource.waiters; next && desk.resource.holders.length < desk.resource.capacity; [next] = desk.resource.waiters) {
    const { since: _, looked: __, ...asked } = next;
    put(desk, { waiters: desk.resource.waiters.slice(1) });
    grant(desk, asked);
  }
};

/** Somebody who waits is always woken: with waiters there are holders, and their leases end. */
const alarmOf = ({ resource, context }: Desk): number | null => {
  const [first] = firstToEnd(resource, 1);
  return first ? first.until + context.settings.grace : null;
};

const checkAt = ({ resource, context }: Desk): number | undefined => {
  const next = Math.min(...resource.waiters.flatMap(({ since, looked }) => (looked ? [] : since + LOOK_AGAIN_MS)));
  return next === Infinity ? undefined : Math.max(next, context.now);
};

export const closeDesk = (desk: Desk, reply?: { body: unknown }): Decision<Resource> => {
  const { opened, resource, changed, publish, context } = desk;
  const also: Record<EntityKey, unknown> = {};
  for (const [agent, holdings] of changed) also[holdingsKey(agent)] = holdings;
  const check = checkAt(desk);
  return done({
    ...(resource !== opened && { state: { ...resource, at: context.now } }),
    ...(publish.length > 0 && { publish }),
    ...(changed.size > 0 && { also }),
    wakeAt: alarmOf(desk),
    ...(check !== undefined && { checkAt: check }),
    ...(reply && { reply }),
  });
};
