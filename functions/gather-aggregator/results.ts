/**
 * The results of a gather: small ones lie in the state, the rest are children, and pages cut them into answers that fit a
 * message. Everything follows from the list in the state, which only grows at its end. Pure.
 */
import * as z from 'zod';
import type { Child } from '#shared/entity/entity.ts';

/** Bytes of results kept in the state; DynamoDB bills a write by the size of the item. */
const IN_STATE_BYTES = 16_384;
/** Bytes of results in one message: half of what a NATS server takes by default, for envelopes and base64. */
export const PAGE_BYTES = 524_288;
/** Bytes of one result: it must fit an item of the table. */
export const MAX_RESULT_BYTES = 350_000;
/** Results of a gather: their list must fit an item of the table. */
export const MAX_RESULTS = 2000;

export const resultSchema = z.object({
  /** The agent, or for an anonymous result a token of its record. */
  from: z.string(),
  anonymous: z.literal(true).exactOptional(),
  /** Of its JSON, as it is answered. */
  bytes: z.number(),
  /** As it is answered; absent: it is a child, or was not kept. */
  response: z.unknown().optional(),
  /** Only that it came is known. */
  unkept: z.literal(true).exactOptional(),
  /** What it says, where a quorum is asked for. */
  vote: z.string().exactOptional(),
});

export type Result = z.infer<typeof resultSchema>;
export type Reference = { agent_id?: string; bytes: number; page: number };

const inState = (result: Result): boolean => result.response !== undefined;
const isChild = (result: Result): boolean => !inState(result) && !result.unkept;
const sum = (results: readonly Result[]): number => results.reduce((bytes, result) => bytes + result.bytes, 0);

export const bytesOf = (response: unknown): number => Buffer.byteLength(JSON.stringify(response));

/** The page of each result: the next one begins where a result no longer fits. */
export const pagesOf = (results: readonly Result[]): number[] => {
  let page = 0;
  let filled = 0;
  return results.map(({ bytes }) => {
    if (filled > 0 && filled + bytes > PAGE_BYTES) {
      page++;
      filled = 0;
    }
    filled += bytes;
    return page;
  });
};

/** Names of a page's children begin so. */
export const pagePrefix = (page: number): string => `result/${String(page).padStart(4, '0')}/`;

const childName = (results: readonly Result[], n: number): string => `${pagePrefix(pagesOf(results)[n] ?? 0)}${results[n]?.from}`;

export const hasChildren = (results: readonly Result[]): boolean => results.some(isChild);

export const childNames = (results: readonly Result[]): string[] => {
  const pages = pagesOf(results);
  return results.flatMap((result, n) => (isChild(result) ? [`${pagePrefix(pages[n] ?? 0)}${result.from}`] : []));
};

/** The list with one more result, and the child that holds it when the state should not. */
export const addResult = (results: readonly Result[], added: Result): { results: Result[]; children: Child[] } => {
  const { response, ...listed } = added;
  if (added.unkept || sum(results.filter(inState)) + added.bytes <= IN_STATE_BYTES) return { results: [...results, added], children: [] };
  const longer: Result[] = [...results, listed];
  const child: Child = { name: childName(longer, results.length), data: response };
  return { results: longer, children: [child] };
};

/** Whether the results fit one message. */
export const fitsOne = (results: readonly Pick<Result, 'bytes'>[]): boolean =>
  results.reduce((bytes, result) => bytes + result.bytes, 0) <= PAGE_BYTES;

/** What was kept of the results in order, or of one page; undefined when a child is missing. */
export const compose = (results: readonly Result[], children: ReadonlyMap<string, unknown>, page?: number): unknown[] | undefined => {
  const pages = pagesOf(results);
  const wanted = results.flatMap((result, n) => {
    if (result.unkept || (page !== undefined && pages[n] !== page)) return [];
    return [inState(result) ? result.response : children.get(`${pagePrefix(pages[n] ?? 0)}${result.from}`)];
  });
  return wanted.includes(undefined) ? undefined : wanted;
};

export const references = (results: readonly Result[]): Reference[] => {
  const pages = pagesOf(results);
  return results.map(({ from, anonymous, bytes }, n) => ({ ...(!anonymous && { agent_id: from }), bytes, page: pages[n] ?? 0 }));
};
