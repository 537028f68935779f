/** `control.gather.page`: the responses of an answer that was too large for one message, a page at a time. */
import { keyOf } from '#shared/entity/entity.ts';
import type { Store } from '#shared/entity/store.ts';
import { readState } from '#shared/entity/working.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlGatherPage } from '#shared/messages/control.ts';
import { type Gather, gatherKind } from './decide.ts';
import { compose, pagePrefix, pagesOf, type Result } from './results.ts';

export type PageView = { results: Result[]; children: ReadonlyMap<string, unknown> };

const readPage = async (requestId: string, page: number, store: Pick<Store, 'load' | 'children'>): Promise<PageView> => {
  const key = keyOf(gatherKind.kind, requestId);
  const item = (await store.load([key])).get(key);
  const gather = item && (readState(gatherKind, item) as Gather | undefined);
  if (gather?.phase !== 'closed') return { results: [], children: new Map() };
  const stored = await store.children(key, pagePrefix(page));
  return { results: gather.results, children: new Map(stored.map(({ name, data }) => [name, data])) };
};

export const page = defineQuery({
  message: controlGatherPage,
  read: ({ body }, store) => readPage(body.request_id, body.page, store),
  answer: ({ results, children }: PageView, { body: { request_id, page } }) => {
    const pages = (pagesOf(results).at(-1) ?? -1) + 1;
    if (pages === 0)
      return { error: { code: 'not_found', message: `no gather ${request_id} was answered in pages during the last 48 hours` } };
    const responses = page < pages ? compose(results, children, page) : undefined;
    return responses
      ? { body: { request_id, page, pages, responses } }
      : { error: { code: 'no_such_page', message: `gather ${request_id} has pages 0 to ${pages - 1}, not ${page}` } };
  },
});
