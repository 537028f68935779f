/** `control.escalation.list`: the cases that are not resolved, by agent, a page at a time. */
import type { Reader } from '#shared/entity/reader.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlEscalationList } from '#shared/messages/control.ts';
import { type Case, caseKind, toWire, UNRESOLVED } from './case.ts';

const DEFAULT_LIMIT = 100;
/** A case is at most 2 KB in the answer, which has to fit a message. */
const MAX_LIMIT = 400;

export type Page = { cases: ReadonlyMap<string, Case>; next?: string };

const readPage = async (reader: Reader, after: string | undefined, limit: number): Promise<Page> => {
  const ids = await reader.lookup(caseKind, UNRESOLVED, { limit, ...(after !== undefined && { after }) });
  const last = ids.at(-1);
  return { cases: await reader.load(caseKind, ids), ...(ids.length === limit && last !== undefined && { next: last }) };
};

export const list = defineQuery({
  message: controlEscalationList,
  read: ({ body: { after, limit = DEFAULT_LIMIT } }, reader) => readPage(reader, after, Math.min(limit, MAX_LIMIT)),
  answer: ({ cases, next }: Page) => ({
    body: {
      // The lookup lags behind the state.
      cases: [...cases].filter(([, one]) => one.status !== 'resolved').map(([agentId, one]) => toWire(agentId, one)),
      ...(next !== undefined && { next }),
    },
  }),
});
