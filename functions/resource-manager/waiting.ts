/** Whether somebody may wait: there is room, and the wait would not be for ever. Pure. */
import { victimAt } from './deadlock.ts';
import { type Desk, queue } from './desk.ts';
import { deadlocked, refused, type Told } from './outputs.ts';
import type { Waiter } from './resource.ts';

const wouldDeadlock = (desk: Desk, waiter: Waiter): Told | undefined => {
  const { id, view } = desk.context;
  const { resource } = desk;
  const victim = victimAt(new Map([...view.graph, [id, { ...resource, waiters: [...resource.waiters, waiter] }]]), id);
  return victim?.agent === waiter.agent ? deadlocked(id, victim) : undefined;
};

export const beginWait = (desk: Desk, waiter: Waiter): Told | undefined => {
  const { id, settings } = desk.context;
  if (desk.resource.waiters.length >= settings.maxWaiters)
    return refused('queue_full', `${settings.maxWaiters} wait for ${id} already, which is the limit: try again later`);
  const deadlock = wouldDeadlock(desk, waiter);
  if (!deadlock) queue(desk, waiter);
  return deadlock;
};
