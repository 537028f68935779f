/** Frames of `application/vnd.amazon.eventstream`, as Lambda streams an answer: lengths, checksum, headers, payload, checksum. */
import { crc32 } from 'node:zlib';

const STRING = 7;

const header = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.of(name.length), Buffer.from(name), Buffer.of(STRING, 0, value.length), Buffer.from(value)]);

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

const frame = (event: string, contentType: string, payload: Uint8Array): Buffer => {
  const headers = Buffer.concat([header(':message-type', 'event'), header(':event-type', event), header(':content-type', contentType)]);
  const lengths = Buffer.concat([uint32(16 + headers.length + payload.length), uint32(headers.length)]);
  const checked = Buffer.concat([lengths, uint32(crc32(lengths)), headers, payload]);
  return Buffer.concat([checked, uint32(crc32(checked))]);
};

export const payloadChunk = (part: Uint8Array | string): Buffer =>
  frame('PayloadChunk', 'application/octet-stream', typeof part === 'string' ? Buffer.from(part) : part);

/** The last one; `ErrorDetails` is what the function threw, as JSON. */
export const invokeComplete = (error: { ErrorCode?: string; ErrorDetails?: string } = {}): Buffer =>
  frame('InvokeComplete', 'application/json', Buffer.from(JSON.stringify(error)));
