/** Bodies that are not ours to read: payloads of the agents, raw bytes of clients that send no JSON. */
import * as z from 'zod';
import type { Headers } from '#shared/contract.ts';

/** A body as it came over the wire, where it is not JSON, or not ours to read. */
export type RawBody = { data: string; encoding: 'utf8' | 'base64'; headers: Headers };

/** The body of a message whose bytes are handed on as they came. The reader does not look inside. */
export const opaque = z.object({ data: z.string(), encoding: z.enum(['utf8', 'base64']) });
export type Opaque = z.infer<typeof opaque>;

/** What bytes say: a JSON value, text, or `{ data_base64 }` where they are not text. */
export const opaqueValue = ({ data, encoding }: Opaque): unknown => {
  if (encoding === 'base64') return { data_base64: data };
  try {
    return JSON.parse(data);
  } catch {
    return data;
  }
};

/** For `raw`: an empty body reads as an object without fields, anything else stays refused. */
export const orEmpty = (raw: RawBody): unknown => (raw.data === '' ? {} : undefined);

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
