import { expect, it } from 'vitest';
import { postSigner } from '#shared/aws-signature.ts';
import { expectedAuthorization } from '#test/support/aws-signature.ts';

const path = '/2015-03-31/functions/echo%3A%24LATEST/invocations';
const sign = postSigner({ service: 'lambda', region: 'us-east-1', contentType: 'application/octet-stream' });
const signed = (now: string, secret: string, sessionToken: string) => {
  const credentials = { accessKeyId: 'local', secretAccessKey: secret, sessionToken };
  const flat = sign(credentials, 'lambda.local:8080', path, Buffer.from('{"data":"Grüße"}'), new Date(now));
  return Object.fromEntries(flat.flatMap((name, n) => (n % 2 === 0 ? [[name, flat[n + 1]]] : []))) as Record<string, string>;
};

it('signs a version by its name, with temporary credentials, the next day and after they changed', () => {
  signed('2026-01-01T23:59:59.999Z', 'older', 'token 0');
  const days = ['2026-01-01T23:59:59.999Z', '2026-01-02T00:00:00.000Z'].map((now, n) => signed(now, 'local', `token ${n}`));
  for (const headers of days)
    expect(headers.authorization).toBe(expectedAuthorization({ method: 'POST', path, headers, payload: '{"data":"Grüße"}' }));
  expect(days.map((headers) => [headers['x-amz-date'], headers['x-amz-security-token']])).toEqual([
    ['20260101T235959Z', 'token 0'],
    ['20260102T000000Z', 'token 1'],
  ]);
});
