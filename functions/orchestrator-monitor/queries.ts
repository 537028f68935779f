/** `control.orchestrator.list`: what nobody answered yet, or what each agent says of itself, a page of agents at a time. */
import { type Page, readPage } from '#shared/entity/page.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlOrchestratorList } from '#shared/messages/control-supervision.ts';
import { type Colleague, colleagueKind, colleagueToWire, openToWire } from './colleague.ts';

const DEFAULT_LIMIT = 50;
/** An agent has up to 15 KB of open requests in the answer, which has to fit a message. */
const MAX_LIMIT = 50;

export const list = defineQuery({
  message: controlOrchestratorList,
  read: ({ body: { after, limit = DEFAULT_LIMIT } }, reader) =>
    readPage(reader, colleagueKind, 'colleague', { after, limit: Math.min(limit, MAX_LIMIT) }),
  answer: ({ states: colleagues, next }: Page<Colleague>, { body: { view = 'open' } }) => {
    const all = [...colleagues];
    const page =
      view === 'open'
        ? { open: all.flatMap(([id, { open }]) => open.map((request) => openToWire(id, request))) }
        : { agents: all.map(([id, colleague]) => colleagueToWire(id, colleague)) };
    return { body: { ...page, ...(next !== undefined && { next }) } };
  },
});
