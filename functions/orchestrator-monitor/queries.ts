/** `control.orchestrator.list`: what nobody answered yet, or what each agent says of itself, a page of agents at a time. */
import type { Reader } from '#shared/entity/reader.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlOrchestratorList } from '#shared/messages/control-supervision.ts';
import { type Colleague, colleagueKind, colleagueToWire, openToWire } from './colleague.ts';

const DEFAULT_LIMIT = 50;
/** An agent has up to 15 KB of open requests in the answer, which has to fit a message. */
const MAX_LIMIT = 50;

export type Page = { colleagues: ReadonlyMap<string, Colleague>; next?: string };

const readPage = async (reader: Reader, after: string | undefined, limit: number): Promise<Page> => {
  const ids = await reader.lookup(colleagueKind, 'colleague', { limit, ...(after !== undefined && { after }) });
  const last = ids.at(-1);
  return { colleagues: await reader.load(colleagueKind, ids), ...(ids.length === limit && last !== undefined && { next: last }) };
};

export const list = defineQuery({
  message: controlOrchestratorList,
  read: ({ body: { after, limit = DEFAULT_LIMIT } }, reader) => readPage(reader, after, Math.min(limit, MAX_LIMIT)),
  answer: ({ colleagues, next }: Page, { body: { view = 'open' } }) => {
    const all = [...colleagues];
    const page =
      view === 'open'
        ? { open: all.flatMap(([id, { open }]) => open.map((request) => openToWire(id, request))) }
        : { agents: all.map(([id, colleague]) => colleagueToWire(id, colleague)) };
    return { body: { ...page, ...(next !== undefined && { next }) } };
  },
});
