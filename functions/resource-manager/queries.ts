/** `control.resource.show`: a resource as it is. `control.resource.list`: those that somebody holds, a page at a time. */
import { type Page, readPage } from '#shared/entity/page.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlResourceList, controlResourceShow } from '#shared/messages/control-coordination.ts';
import { HELD, isIdle, type Resource, resourceKind, toWire } from './resource.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 400;

export const show = defineQuery({
  message: controlResourceShow,
  read: async ({ body: { resource_id } }, reader) => (await reader.load(resourceKind, [resource_id])).get(resource_id),
  answer: (resource: Resource | undefined, { body: { resource_id } }) =>
    resource
      ? { body: { resource: toWire(resource_id, resource) } }
      : { error: { code: 'not_found', message: `no resource ${resource_id} is known: nobody acquired it during the last 30 days` } },
});

/** Of many holders and waiters only how many they are: an answer has to fit a message. */
const summary = (id: string, resource: Resource) => {
  const { holders, waiters: _, ...rest } = toWire(id, resource);
  return { ...rest, held: holders.length };
};

export const list = defineQuery({
  message: controlResourceList,
  read: ({ body: { after, limit = DEFAULT_LIMIT } }, reader) =>
    readPage(reader, resourceKind, HELD, { after, limit: Math.min(limit, MAX_LIMIT) }),
  answer: ({ states: resources, next }: Page<Resource>) => ({
    body: {
      // The lookup lags behind the state.
      resources: [...resources].filter(([, one]) => !isIdle(one)).map(([id, one]) => summary(id, one)),
      ...(next !== undefined && { next }),
    },
  }),
});
