/** `control.command.show`: a command, and who answered what, a page of its targets at a time. */
import type { Reader } from '#shared/entity/reader.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlCommandShow } from '#shared/messages/control-coordination.ts';
import { type Command, commandKind, pagesOf, type Said, saidPrefix } from './command.ts';
import { pageToWire, summary } from './outputs.ts';
import { readPage } from './targets.ts';

export type PageView = { command: Command; ids: readonly string[]; more: ReadonlyMap<number, Said> };

/** Of answers that are children: a NATS server takes 1 MB by default. */
const MAX_SHOWN_BYTES = 700_000;

/** Of answers that do not fit any more only the size is told. */
const fitting = (more: ReadonlyMap<number, Said>): Map<number, Said> => {
  let left = MAX_SHOWN_BYTES;
  return new Map(
    [...more].map(([n, said]) => {
      const bytes = Buffer.byteLength(JSON.stringify(said));
      left -= bytes;
      return [n, left >= 0 ? said : { bytes }];
    }),
  );
};

const view = async (id: string, page: number, reader: Reader): Promise<PageView | undefined> => {
  const command = (await reader.load(commandKind, [id])).get(id);
  if (!command) return undefined;
  const ids = page === 0 ? command.targets : await readPage(id, page, reader);
  const children = await reader.children(commandKind, id, saidPrefix(page));
  const more = new Map([...children].map(([name, said]) => [Number(name.slice(saidPrefix(page).length)), said as Said]));
  return { command, ids, more };
};

export const show = defineQuery({
  message: controlCommandShow,
  read: ({ body: { command_id, page = 0 } }, reader) => view(command_id, page, reader),
  answer: (found: PageView | undefined, { body: { command_id, page = 0 } }) => {
    if (!found) return { error: { code: 'not_found', message: `no command ${command_id} is known: it is forgotten a day after its end` } };
    const { command, ids, more } = found;
    const pages = pagesOf(command.size);
    if (page >= pages)
      return { error: { code: 'no_such_page', message: `command ${command_id} has pages 0 to ${pages - 1}, not ${page}` } };
    return { body: { ...summary(command, command_id), page, pages, ...pageToWire(command, page, ids, fitting(more)) } };
  },
});
