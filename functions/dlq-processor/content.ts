/**
 * The bytes and headers of a dead letter: in the letter's state where they are small, else cut into children. A letter that
 * came in several messages (`X-Dead-Letter-Part: 1/2`) is put together again. Pure.
 */
import * as z from 'zod';
import type { Headers } from '#shared/contract.ts';
import type { Child } from '#shared/entity/entity.ts';
import { isControlHeader, isDeadLetterHeader } from './facts.ts';

/** JSON characters kept in the state; DynamoDB bills a write by the size of the item. */
const INLINE_CHARS = 4096;
/** JSON characters of a child: 300 KB at most, whatever they are. */
const CHUNK_CHARS = 100_000;
/** What a replay's message has besides its own headers: message id and retry count. */
const REPLAY_BYTES = 400;

const bytesSchema = z.object({ data: z.string(), encoding: z.enum(['utf8', 'base64']) });
export type Bytes = z.infer<typeof bytesSchema>;
const fullSchema = bytesSchema.extend({ headers: z.record(z.string(), z.array(z.string())) });
export type Content = z.infer<typeof fullSchema>;

export const storedContentSchema = z.object({
  /** How many messages it came in. */
  of: z.number(),
  /** Those that have come: their number, their bytes, and the children they lie in. */
  parts: z.array(z.object({ n: z.number(), bytes: z.number(), chunks: z.number() })),
  /** Bytes of the largest message it came in, its own headers apart: so much the server takes. */
  fits: z.number(),
  inline: fullSchema.optional(),
});
export type StoredContent = z.infer<typeof storedContentSchema>;

export const isComplete = ({ of, parts }: StoredContent): boolean => parts.length === of;
export const sizeOf = ({ parts }: StoredContent): number => parts.reduce((sum, { bytes }) => sum + bytes, 0);

const bytesIn = ({ data, encoding }: Bytes): number => Buffer.byteLength(data, encoding);

const headerBytes = (headers: Headers): number =>
  Object.entries(headers).reduce((sum, [name, values]) => sum + values.reduce((s, value) => s + name.length + value.length + 4, 0), 0);

const originalHeaders = (headers: Headers): Headers =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !isControlHeader(name) && !isDeadLetterHeader(name)));

const chunkName = (part: number, chunk: number): string => `part/${part}/${String(chunk).padStart(4, '0')}`;

/** One more message of a letter. A part that is there already stays as it is. */
export const addPart = (
  before: StoredContent | undefined,
  message: { body: Bytes; headers: Headers },
  part: { n: number; of: number },
): { content: StoredContent; children: Child[] } => {
  const known = before ?? { of: part.of, parts: [], fits: 0 };
  if (known.parts.some(({ n }) => n === part.n)) return { content: known, children: [] };
  const own = originalHeaders(message.headers);
  const full: Content = { ...message.body, headers: part.n === 1 ? own : {} };
  const json = JSON.stringify(full);
  const inline = part.of === 1 && json.length <= INLINE_CHARS;
  const chunks = inline ? 0 : Math.ceil(json.length / CHUNK_CHARS);
  const bytes = bytesIn(message.body);
  const fits = bytes + headerBytes(message.headers) - headerBytes(own);
  const parts = [...known.parts, { n: part.n, bytes, chunks }];
  return {
    content: { ...known, parts, fits: Math.max(known.fits, fits), ...(inline && { inline: full }) },
    children: Array.from({ length: chunks }, (_, n) => ({
      name: chunkName(part.n, n),
      data: json.slice(n * CHUNK_CHARS, (n + 1) * CHUNK_CHARS),
    })),
  };
};

/** The whole, or undefined where a part has not come or a child is gone. */
export const assemble = (stored: StoredContent, children: ReadonlyMap<string, unknown>): Content | undefined => {
  if (stored.inline) return stored.inline;
  if (!isComplete(stored)) return undefined;
  const parts: Content[] = [];
  for (const { n, chunks } of stored.parts.toSorted((a, b) => a.n - b.n)) {
    const pieces = Array.from({ length: chunks }, (_, chunk) => children.get(chunkName(n, chunk)));
    if (pieces.some((piece) => typeof piece !== 'string')) return undefined;
    parts.push(fullSchema.parse(JSON.parse(pieces.join(''))));
  }
  const [first] = parts;
  if (!first || parts.length === 1) return first;
  const whole = Buffer.concat(parts.map(({ data, encoding }) => Buffer.from(data, encoding)));
  return { headers: first.headers, data: whole.toString('base64'), encoding: 'base64' };
};

/** Whether the server takes it once more, with what a replay adds. */
export const fitsAgain = (stored: StoredContent): boolean => stored.of === 1 || sizeOf(stored) + REPLAY_BYTES <= stored.fits;
