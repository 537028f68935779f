/** `control.dlq.list` and `control.dlq.show`: what is kept, answered from the table without changing anything. */
import { readPage } from '#shared/entity/page.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlDlqList, controlDlqShow } from '#shared/messages/control.ts';
import type { Received } from '#shared/messages/message.ts';
import { opaqueValue } from '#shared/messages/opaque.ts';
import { assemble, type Content } from './content.ts';
import { findLetters } from './find.ts';
import { GROUPS_LOOKUP, groupToWire, type Letter, letterGroupKind, letterKind, toWire } from './letter.ts';
import { OPERATIONS_LOOKUP, operationKind, toWire as operationToWire } from './operation.ts';

const DEFAULT_LIMIT = 50;
/** A letter is about 1 KB in the answer, which has to fit a message. */
const MAX_LIMIT = 200;
/** Bytes of a payload in an answer. */
const MAX_SHOWN_BYTES = 262_144;

type Shown = { letters?: unknown[]; groups?: unknown[]; operations?: unknown[]; after?: string };

const readList = async ({ body, sentAt: now }: Received<typeof controlDlqList>, reader: Reader): Promise<Shown> => {
  const { view = 'letters', after, ...filter } = body;
  const limit = Math.min(body.limit ?? DEFAULT_LIMIT, MAX_LIMIT);
  switch (view) {
    case 'letters': {
      const { letters, next } = await findLetters(reader, filter, { now, limit, from: after });
      return { letters: letters.map(({ id, letter }) => toWire(id, letter)), ...(next !== null && { after: next }) };
    }
    case 'groups': {
      const { states, next } = await readPage(reader, letterGroupKind, GROUPS_LOOKUP, { after, limit });
      const groups = [...states].filter(([, { keepUntil }]) => keepUntil > now);
      return { groups: groups.map(([id, group]) => groupToWire(id, group)), ...(next !== undefined && { after: next }) };
    }
    case 'operations': {
      const { states, next } = await readPage(reader, operationKind, OPERATIONS_LOOKUP, { after, limit });
      const operations = [...states].filter(([, { keepUntil }]) => keepUntil > now);
      return { operations: operations.map(([id, one]) => operationToWire(id, one)), ...(next !== undefined && { after: next }) };
    }
    default:
      throw view satisfies never;
  }
};

export const list = defineQuery({ message: controlDlqList, read: readList, answer: (page: Shown) => ({ body: page }) });

const payloadOf = (content: Content | undefined): object => {
  if (!content) return { payload: null };
  const { headers } = content;
  const tooLarge = Buffer.byteLength(content.data) > MAX_SHOWN_BYTES;
  return tooLarge ? { headers, payload: null, truncated: true } : { headers, payload: opaqueValue(content) };
};

const showLetter = async (id: string, letter: Letter, reader: Reader): Promise<object> => {
  const { content, history } = letter;
  const children = content && !content.inline ? await reader.children(letterKind, id, 'part/') : new Map<string, unknown>();
  return {
    letter: {
      ...toWire(id, letter),
      history: history.map(({ at, what, by }) => ({ at: new Date(at).toISOString(), what, by })),
      ...payloadOf(content && assemble(content, children)),
    },
  };
};

const readOne = async ({ body: { id }, sentAt: now }: Received<typeof controlDlqShow>, reader: Reader): Promise<object | undefined> => {
  const letter = (await reader.load(letterKind, [id])).get(id);
  if (letter && letter.keepUntil > now) return showLetter(id, letter, reader);
  const group = (await reader.load(letterGroupKind, [id])).get(id);
  if (group && group.keepUntil > now) return { group: groupToWire(id, group) };
  const operation = (await reader.load(operationKind, [id])).get(id);
  return operation && { operation: operationToWire(id, operation) };
};

export const show = defineQuery({
  message: controlDlqShow,
  read: readOne,
  answer: (one: object | undefined, { body: { id } }) =>
    one
      ? { body: one }
      : { error: { code: 'not_found', message: `no dead letter, group or operation ${id} is kept: control.dlq.list says which are` } },
});
