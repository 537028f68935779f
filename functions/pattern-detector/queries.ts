/** `control.patterns.list`: the episodes that are open. Those of several agents first, then agent by agent, a page at a time. */
import { readPage } from '#shared/entity/page.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlPatternsList } from '#shared/messages/control-supervision.ts';
import { type Episode, toWire } from './episode.ts';
import { OUTBREAK, outbreakKind } from './outbreak.ts';
import { OPEN, vitalsKind } from './vitals.ts';

const DEFAULT_LIMIT = 100;
/** Agents with episodes in an answer, which has to fit a message. */
const MAX_LIMIT = 400;

export type Shown = { episodes: Episode[]; next?: string };

const readEpisodes = async (reader: Reader, after: string | undefined, limit: number): Promise<Shown> => {
  const [shared, { states: own, ...more }] = await Promise.all([
    after === undefined ? reader.load(outbreakKind, [OUTBREAK]) : undefined,
    readPage(reader, vitalsKind, OPEN, { after, limit }),
  ]);
  return { episodes: [...(shared?.values() ?? []), ...own.values()].flatMap((state) => state.episodes), ...more };
};

export const list = defineQuery({
  message: controlPatternsList,
  read: ({ body: { after, limit = DEFAULT_LIMIT } }, reader) => readEpisodes(reader, after, Math.min(limit, MAX_LIMIT)),
  answer: ({ episodes, next }: Shown, { body }) => ({
    body: {
      episodes: episodes.filter(({ pattern }) => body.pattern_type === undefined || pattern === body.pattern_type).map(toWire),
      ...(next !== undefined && { next }),
    },
  }),
});
