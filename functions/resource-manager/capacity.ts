/** How many may hold a resource at once: what the first who uses it says. Pure. */
import * as z from 'zod';
import type { ResourceRequest } from '#shared/messages/resource.ts';
import { type Desk, put } from './desk.ts';
import { refused, type Told } from './outputs.ts';
import { isIdle } from './resource.ts';

const MAX_CAPACITY = 500;

const details = z.object({ capacity: z.number() });

/** The capacity that the request names becomes that of a resource which nobody uses. */
export const agreeOnCapacity = (desk: Desk, { resource_id, resource_details }: ResourceRequest): Told | undefined => {
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
