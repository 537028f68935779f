/** `control.group.show`, `page` and `list`: how far a task for many is, how its parts ended, and which there are. */
import { listQuery, showQuery } from '#shared/function/entity-query.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlGroupList, controlGroupPage, controlGroupShow } from '#shared/messages/control-coordination.ts';
import { pagesOf } from './finish.ts';
import { answerOf, type Known, NOTHING } from './known.ts';
import { readAnswers } from './read.ts';
import { type Group, groupKind, lookupOf } from './state.ts';
import { namedPart, toWire } from './wire.ts';

const missing = (id: string): string => `no task for many ${id} is known: it is forgotten 7 days after its end`;

export const show = showQuery({ message: controlGroupShow, kind: groupKind, id: ({ body }) => body.task_id, body: toWire, missing });

/** The parts of a page, by number, those that have not ended too. */
const numbersOf = (group: Group, page: number): number[] => {
  const first = pagesOf(group);
  const [from, to] = [first[page], first[page + 1] ?? group.parts.length];
  return from === undefined ? [] : Array.from({ length: to - from }, (_, i) => from + i);
};

export const page = defineQuery({
  message: controlGroupPage,
  read: async ({ body: { task_id, page = 0 } }, reader) => {
    const group = (await reader.load(groupKind, [task_id])).get(task_id);
    return group && { group, answers: await readAnswers(task_id, group, numbersOf(group, page), reader) };
  },
  answer: (found: { group: Group; answers: Known['answers'] } | undefined, { body: { task_id, page = 0 } }) => {
    if (!found) return { error: { code: 'not_found', message: missing(task_id) } };
    const { group, answers } = found;
    const pages = pagesOf(group).length;
    if (page >= pages) return { error: { code: 'no_such_page', message: `task ${task_id} has pages 0 to ${pages - 1}, not ${page}` } };
    const known = { ...NOTHING, answers };
    const parts = numbersOf(group, page).map((n) => ({ ...namedPart(group, n), ...answerOf(group, n, known) }));
    return { body: { task_id, page, pages, parts } };
  },
});

export const list = listQuery({
  message: controlGroupList,
  kind: groupKind,
  lookup: ({ body }) => lookupOf(body.outcome),
  as: 'groups',
  item: (id, group, { body }) => (group.outcome === body.outcome ? toWire(id, group) : undefined),
  // At most 1 KB each.
  most: 500,
});
