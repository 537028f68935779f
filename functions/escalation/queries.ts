/** `control.escalation.list`: the cases that are not resolved, by agent, a page at a time. */
import { type Page, readPage } from '#shared/entity/page.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlEscalationList } from '#shared/messages/control.ts';
import { type Case, caseKind, toWire, UNRESOLVED } from './case.ts';

const DEFAULT_LIMIT = 100;
/** A case is at most 2 KB in the answer, which has to fit a message. */
const MAX_LIMIT = 400;

export const list = defineQuery({
  message: controlEscalationList,
  read: ({ body: { after, limit = DEFAULT_LIMIT } }, reader) =>
    readPage(reader, caseKind, UNRESOLVED, { after, limit: Math.min(limit, MAX_LIMIT) }),
  answer: ({ states: cases, next }: Page<Case>) => ({
    body: {
      // The lookup lags behind the state.
      cases: [...cases].filter(([, one]) => one.status !== 'resolved').map(([agentId, one]) => toWire(agentId, one)),
      ...(next !== undefined && { next }),
    },
  }),
});
