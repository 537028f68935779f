/**
 * Signature Version 4 for POSTs without a query, by "Create a signed AWS API request" of the IAM User Guide: calls of Lambda and
 * of SNS. The general signer, which reads any request, takes the process longer than the call.
 */
import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto';

export type Credentials = { accessKeyId: string; secretAccessKey: string; sessionToken?: string };

/** Header names and values in turn, as `node:http` takes them. Of the path its names are encoded, as it is sent. */
export type Sign = (credentials: Credentials, host: string, path: string, body: Buffer, now?: Date) => string[];

const ALGORITHM = 'AWS4-HMAC-SHA256';

const hmac = (key: string | Buffer | KeyObject, text: string): Buffer => createHmac('sha256', key).update(text).digest();

type Signed = { /** As in its endpoint: `lambda`, `sns`. */ service: string; region: string; contentType: string };

export const postSigner = ({ service, region, contentType }: Signed): Sign => {
  /** Good for a day and a secret. */
  let known: { of: string; key: KeyObject } | undefined;

  const keyOf = (secret: string, scope: string): KeyObject => {
    const of = `${secret}/${scope}`;
    if (known?.of !== of) known = { of, key: createSecretKey(scope.split('/').reduce<string | Buffer>(hmac, `AWS4${secret}`) as Buffer) };
    return known.key;
  };

  return ({ accessKeyId, secretAccessKey, sessionToken }, host, path, body, now = new Date()) => {
    const time = now.toISOString().replace(/[-:]|\.\d+/g, '');
    const scope = `${time.slice(0, 8)}/${region}/${service}/aws4_request`;
    const signed = [
      ['content-type', contentType],
      ['host', host],
      ['x-amz-date', time],
    ];
    if (sessionToken) signed.push(['x-amz-security-token', sessionToken]);
    const names = signed.map(([name]) => name).join(';');
    const headers = signed.map(([name, value]) => `${name}:${value}\n`).join('');
    // Encoded once more; slashes stay.
    const canonicalPath = encodeURIComponent(path).replaceAll('%2F', '/');
    const canonical = `POST\n${canonicalPath}\n\n${headers}\n${names}\n${hash('sha256', body)}`;
    const signature = hmac(keyOf(secretAccessKey, scope), `${ALGORITHM}\n${time}\n${scope}\n${hash('sha256', canonical)}`).toString('hex');
    const authorization = `${ALGORITHM} Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
    return [...signed.flat(), 'authorization', authorization];
  };
};
