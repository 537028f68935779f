/**
 * Who may use what, for how long: leases on resources (Gray and Cheriton, 1989) with fencing tokens that only grow (Kleppmann,
 * "How to do distributed locking", 2016). Whoever finds a resource taken waits in order; what is released, is over or belonged to
 * an agent that is gone goes to the first who waits, in the same decision. Who would wait for ever is told so (`deadlock.ts`).
 *
 * A lease stands until its end and the grace after it, so a holder whose clock is behind by no more than that never holds
 * together with the next one; whoever is later is held off by its token.
 */
import { type Alarm, type Decision, defineEntity } from '#shared/entity/entity.ts';
import { type EntityKey, idOf } from '#shared/entity/key.ts';
import { controlResourceCheck } from '#shared/messages/control-coordination.ts';
import { resource, resourceRequest } from '#shared/messages/resource.ts';
import { victimAt } from './deadlock.ts';
import { closeDesk, type Desk, ENDED_AT_ONCE, endLeases, handOn, LOOK_AGAIN_MS, leaveQueue, openDesk, put, say } from './desk.ts';
import { deadlocked } from './outputs.ts';
import { serve } from './request.ts';
import { firstToEnd, holdingsKey, type Resource, resourceKind, type Waiter } from './resource.ts';
import { type Ctx, type Event, readView, type View } from './view.ts';

const victimOf = ({ graph }: View, id: string, resource: Resource) => victimAt(new Map([...graph, [id, resource]]), id);

/** Who begins to wait at the same time does not see the other one: the younger is found here. */
const look = (desk: Desk): void => {
  const { id, now, view } = desk.context;
  // When the queue moved that may have been the end of it.
  if (desk.resource !== desk.opened) return;
  const victim = victimOf(view, id, desk.opened);
  if (!victim) {
    const isDue = ({ since, looked }: Waiter): boolean => !looked && since + LOOK_AGAIN_MS <= now;
    const { waiters } = desk.resource;
    if (waiters.some(isDue)) put(desk, { waiters: waiters.map((one) => (isDue(one) ? { ...one, looked: true } : one)) });
    return;
  }
  leaveQueue(desk, victim.agent);
  say(desk, victim.agent, deadlocked(id, victim));
};

/** Whether the lease with this token stands, which the state alone says: one clock may be behind another. One that was over never stands again. */
const check = ({ resource, context }: Desk, token: number) => ({
  body: {
    resource_id: context.id,
    fencing_token: token,
    current: resource.holders.some((holder) => holder.token === token),
    newest: resource.token,
  },
});

export const decide = (before: Resource | undefined, event: Event | Alarm, context: Ctx): Decision<Resource> => {
  const desk = openDesk(before, context);
  endLeases(desk);
  handOn(desk);
  switch (event.message) {
    case 'resource':
      if (event.params.resource_type !== desk.resource.type) desk.resource = { ...desk.resource, type: event.params.resource_type };
      serve(desk, event);
      return closeDesk(desk);
    case 'resourceRequest':
      serve(desk, event);
      return closeDesk(desk);
    case 'controlResourceCheck':
      return closeDesk(desk, check(desk, event.body.fencing_token));
    case 'alarm':
      look(desk);
      return closeDesk(desk);
    default:
      throw event satisfies never;
  }
};

/** Agents whose holdings may change: who asks, whose lease may be over, who may be next, and who is in a deadlock. */
const also = (before: Resource | undefined, event: Event | Alarm, view: View): EntityKey[] => {
  const asking = event.message === 'resource' || event.message === 'resourceRequest' ? event.body : undefined;
  const victim = event.message === 'alarm' && before ? victimOf(view, idOf(event.key), before)?.agent : undefined;
  const ending = before ? firstToEnd(before, ENDED_AT_ONCE) : [];
  const next = before?.waiters.slice(0, Math.min(ending.length, ENDED_AT_ONCE) + 1) ?? [];
  const named = [asking?.requester, asking?.transfer_to, victim, ...[...ending, ...next].map(({ agent }) => agent)];
  return [...new Set(named.flatMap((agent) => agent ?? []))].map(holdingsKey);
};

export const resources = defineEntity({
  of: resourceKind,
  accepts: [resource, resourceRequest, controlResourceCheck],
  id: (event) => event.body.resource_id,
  decide,
  also,
  read: readView,
});
