/** The entities that have a lookup value, a page at a time. */
import type { Kind } from './kind.ts';
import type { Reader } from './reader.ts';

/** `states` by id, as consistent as the reader's; `next`: after which to read on, where there may be more. */
export type Page<State> = { states: ReadonlyMap<string, State>; next?: string };

/** Entities of the kind by id, in order, at most `limit` of them, beginning behind `after`. */
export const readPage = async <State>(
  reader: Pick<Reader, 'lookup' | 'load'>,
  kind: Kind<State>,
  value: string,
  { after, limit }: { after?: string | undefined; limit: number },
): Promise<Page<State>> => {
  const ids = await reader.lookup(kind, value, { limit, ...(after !== undefined && { after }) });
  const last = ids.at(-1);
  return { states: await reader.load(kind, ids), ...(ids.length === limit && last !== undefined && { next: last }) };
};
