/** What is inside a record: the bytes, without the envelope of CloudEvents 1.0 in either mode. */
import { isUtf8 } from 'node:buffer';
import type { BatchRecord, Headers } from '#shared/contract.ts';
import { isObject, type RawBody } from './opaque.ts';

/** The bytes without their envelope, and what they say if they are JSON. */
export type Content = { raw: RawBody; json?: { value: unknown } };

export type Carried = Pick<BatchRecord, 'data' | 'encoding' | 'headers'>;

const tryJson = (text: string): { value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
};

const contentOf = (raw: RawBody): Content => {
  const json = raw.encoding === 'utf8' ? tryJson(raw.data) : undefined;
  return json ? { raw, json } : { raw };
};

type CloudEvent = Record<string, unknown> & { specversion: string };

const isCloudEvent = (value: unknown): value is CloudEvent =>
  isObject(value) &&
  typeof value.specversion === 'string' &&
  value.specversion.startsWith('1.') &&
  typeof value.id === 'string' &&
  typeof value.source === 'string' &&
  typeof value.type === 'string';

/** The data of a structured event. Its attributes become `ce-` headers, as in binary mode. */
const openCloudEvent = (event: CloudEvent, carried: Headers): Content => {
  const { data, data_base64, ...attributes } = event;
  const headers: Headers = { ...carried };
  for (const [name, value] of Object.entries(attributes)) headers[`ce-${name}`] = [String(value)];
  if (typeof data_base64 === 'string') {
    const bytes = Buffer.from(data_base64, 'base64');
    return contentOf(
      isUtf8(bytes) ? { data: bytes.toString(), encoding: 'utf8', headers } : { data: data_base64, encoding: 'base64', headers },
    );
  }
  if (data === undefined) return { raw: { data: '', encoding: 'utf8', headers } };
  const type = attributes.datacontenttype;
  if (typeof data === 'string' && typeof type === 'string' && !/[/+]json\b/.test(type)) return { raw: { data, encoding: 'utf8', headers } };
  return { raw: { data: JSON.stringify(data), encoding: 'utf8', headers }, json: { value: data } };
};

/** Opens CloudEvents in either mode: in binary mode the body is the data already. */
export const open = ({ data, encoding, headers }: Carried): Content => {
  const content = contentOf({ data, encoding, headers });
  if (!isCloudEvent(content.json?.value)) return content;
  try {
    return openCloudEvent(content.json.value, headers);
  } catch {
    // Nested deeper than can be written again: nobody's event.
    return content;
  }
};
