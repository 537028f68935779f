/** What a signed request should have said: Signature Version 4, worked out by its description and not by the SDK. */
import { createHash, createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

type Signed = { method: string; path: string; headers: IncomingHttpHeaders; payload: string; service?: string };

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** The `Authorization` header for the key `local`/`local` of `us-east-1`, over the headers that the request says are signed. */
export const expectedAuthorization = ({ method, path, headers, payload, service = 'lambda' }: Signed): string => {
  const names = /SignedHeaders=([^,]+)/.exec(headers.authorization ?? '')?.[1] ?? '';
  const signed = names.split(';').map((name) => `${name}:${headers[name]}\n`);
  const twiceEncoded = path.split('/').map(encodeURIComponent).join('/');
  const canonical = [method, twiceEncoded, '', signed.join(''), names, sha256(payload)].join('\n');
  const time = String(headers['x-amz-date']);
  const scope = [time.slice(0, 8), 'us-east-1', service, 'aws4_request'];
  const key = scope.reduce<string | Buffer>(hmac, 'AWS4local');
  const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope.join('/'), sha256(canonical)].join('\n')).toString('hex');
  return `AWS4-HMAC-SHA256 Credential=local/${scope.join('/')}, SignedHeaders=${names}, Signature=${signature}`;
};
