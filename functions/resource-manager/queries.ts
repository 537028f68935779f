/** `control.resource.show`: a resource as it is. `control.resource.list`: those that somebody holds, a page at a time. */
import { listQuery, showQuery } from '#shared/function/entity-query.ts';
import { controlResourceList, controlResourceShow } from '#shared/messages/control-coordination.ts';
import { HELD, isIdle, type Resource, resourceKind, toWire } from './resource.ts';

export const show = showQuery({
  message: controlResourceShow,
  kind: resourceKind,
  id: ({ body }) => body.resource_id,
  body: (id, resource) => ({ resource: toWire(id, resource) }),
  missing: (id) => `no resource ${id} is known: nobody acquired it during the last 30 days`,
});

/** Of many holders and waiters only how many they are: an answer has to fit a message. */
const summary = (id: string, resource: Resource) => {
  const { holders, waiters: _, ...rest } = toWire(id, resource);
  return { ...rest, held: holders.length };
};

export const list = listQuery({
  message: controlResourceList,
  kind: resourceKind,
  lookup: () => HELD,
  as: 'resources',
  item: (id, resource) => (isIdle(resource) ? undefined : summary(id, resource)),
  most: 400,
});
