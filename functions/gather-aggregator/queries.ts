/**
 * `control.gather.page`: the responses of an answer that was too large for one message, a page at a time. `control.gather.show`:
 * how far a gather is.
 */
import type { Reader } from '#shared/entity/reader.ts';
import { showQuery } from '#shared/function/entity-query.ts';
import { defineQuery } from '#shared/function/query.ts';
import { iso } from '#shared/iso.ts';
import { controlGatherPage, controlGatherShow } from '#shared/messages/control.ts';
import { figureOf } from './fold.ts';
import { compose, pagePrefix, pagesOf, type Result } from './results.ts';
import { dueOf, type Gather, gatherKind, missingOf, type Open } from './state.ts';

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

const cameTo = (results: readonly Result[]) => ({
  count: results.length,
  agents: results.filter(({ anonymous }) => !anonymous).map(({ from }) => from),
});

const openToWire = (gather: Open) => {
  const missing = missingOf(gather);
  const value = figureOf(gather);
  return {
    ...cameTo(gather.results),
    min_responses: gather.min,
    max_responses: gather.max,
    ...(gather.failed !== undefined && { failed: gather.failed }),
    ...(missing && { missing }),
    ...(value !== undefined && { value }),
    waits_until: iso(dueOf(gather)),
    deadline: iso(gather.deadline),
  };
};

const toWire = (gather: Gather) => {
  switch (gather.phase) {
    case 'open':
      return openToWire(gather);
    case 'early':
      return { ...cameTo(gather.results), waits_until: iso(gather.until) };
    case 'closed': {
      const { status, by, at, late } = gather;
      return { status, ...(by && { completed_by: by }), completed_at: iso(at), late };
    }
    case 'left':
      return { left_at: iso(gather.at) };
    default:
      throw gather satisfies never;
  }
};

export const show = showQuery({
  message: controlGatherShow,
  kind: gatherKind,
  id: ({ body }) => body.request_id,
  body: (id, gather) => ({ request_id: id, phase: gather.phase, ...toWire(gather) }),
  missing: (id) => `no gather ${id} is known: it is forgotten 48 hours after its end`,
});
