/** `control.gather.page`: the responses of an answer that was too large for one message, a page at a time. */
import type { Reader } from '#shared/entity/reader.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlGatherPage } from '#shared/messages/control.ts';
import { gatherKind } from './decide.ts';
import { compose, pagePrefix, pagesOf, type Result } from './results.ts';

export type PageView = { results: Result[]; children: ReadonlyMap<string, unknown> };

const readPage = async (requestId: string, page: number, reader: Reader): Promise<PageView> => {
  const gather = (await reader.load(gatherKind, [requestId])).get(requestId);
  if (gather?.phase !== 'closed') return { results: [], children: new Map() };
  return { results: gather.results, children: await reader.children(gatherKind, requestId, pagePrefix(page)) };
};

export const page = defineQuery({
  message: controlGatherPage,
  read: ({ body }, reader) => readPage(body.request_id, body.page, reader),
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
