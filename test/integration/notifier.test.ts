/** Notifications on their way to receivers that are there, busy, gone or wrong; and to SNS. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { notifyAll } from '#functions/notifier/notify.ts';
import { settings } from '#functions/notifier/settings.ts';
import { startMinistack } from '#infra/local/ministack.ts';
import type { Batch } from '#shared/contract.ts';
import { expectedAuthorization } from '#test/support/aws-signature.ts';
import { START } from '#test/support/decide.ts';
import { isGenuine, startReceiver } from '#test/support/receiver.ts';

const secret = `whsec_${Buffer.alloc(32, 's').toString('base64')}`;
const arn = 'arn:aws:sns:us-east-1:123456789012:people';
const world = { now: Date.now, environment: {} };

const receiver = async (...answer: Parameters<typeof startReceiver>) => {
  const started = await startReceiver(...answer);
  onTestFinished(() => started.stop());
  return started;
};

const record = (n: number, body: object = {}) => ({
  id: `ALERTS@1:${n}:${START}`,
  subject: 'notifications.high',
  data: JSON.stringify({ notification_id: `n${n}`, severity: 'high', summary: 'the disk is full', ...body }),
  encoding: 'utf8' as const,
  headers: {},
  sequence: n,
  deliveries: 1,
  timestamp: new Date(START).toISOString(),
});

const batch = (binding: string, ...Records: ReturnType<typeof record>[]): Batch => ({
  eventSource: 'nats:jetstream',
  binding: `notifier.${binding}`,
  consumer: `ALERTS@1/notifier_${binding}.1`,
  floor: { sequence: 0, asOf: new Date(START).toISOString() },
  deadline: new Date(START + 60_000).toISOString(),
  Records,
});

const notify = async (of: Batch, environment: Record<string, string>, said: unknown[] = []) => {
  const notifier = { settings: settings.parse(environment), world, say: (one: unknown) => said.push(one) };
  return (await notifyAll(of, notifier)).batchItemFailures;
};
const toWebhooks = (urls: string[], ...records: ReturnType<typeof record>[]) =>
  notify(batch('webhooks', ...records), { NOTIFY_WEBHOOKS: urls.join(), NOTIFY_WEBHOOK_SECRET: secret });

test('a webhook gets each notification, signed', async () => {
  const { url, got } = await receiver();
  expect(await toWebhooks([url], record(1), record(2))).toEqual([]);
  expect(got.map((one) => isGenuine(one, secret))).toEqual([true, true]);
  expect(got.map(({ headers }) => headers['webhook-id']).toSorted()).toEqual(['n1', 'n2']);
  expect(isGenuine({ ...(got[0] as (typeof got)[0]), body: '{}' }, secret)).toBe(false);
});

test('a record that is not taken fails alone, and waits as long as the receiver says', async () => {
  const busy = await receiver(({ headers }) =>
    headers['webhook-id'] === 'n2' ? { status: 503, headers: { 'retry-after': '30' } } : { status: 200 },
  );
  const reason = { code: 'not_sent', message: `${busy.url} answered 503` };
  expect(await toWebhooks([busy.url], record(1), record(2))).toEqual([{ itemIdentifier: record(2).id, retryAfterMs: 30_000, reason }]);
});

test('a receiver that is gone gets a dead letter with a sentence, one that cannot be reached is tried again', async () => {
  const gone = await receiver(() => ({ status: 410 }));
  const away = await startReceiver();
  await away.stop();
  expect(await toWebhooks([gone.url], record(1))).toMatchObject([
    { deadLetter: true, reason: { code: 'refused', message: expect.stringMatching(/answered 410: it does not take notifications/) } },
  ]);
  const [failure] = await toWebhooks([away.url], record(1));
  expect(failure).toEqual({
    itemIdentifier: record(1).id,
    reason: { code: 'not_sent', message: `${away.url} cannot be reached (ECONNREFUSED)` },
  });
});

test('the path of a URL, which may be a secret, is not said', async () => {
  const gone = await receiver(() => ({ status: 410 }));
  expect(JSON.stringify(await toWebhooks([`${gone.url}/services/hunter2`], record(1)))).not.toContain('hunter2');
});

test('a redirect is not followed', async () => {
  const other = await receiver();
  const moved = await receiver(() => ({ status: 307, headers: { location: other.url } }));
  expect(await toWebhooks([moved.url], record(1))).toMatchObject([{ deadLetter: true }]);
  expect(other.got).toEqual([]);
});

test('with nothing set a notification is said once, by one of the bindings', async () => {
  const said: unknown[] = [];
  await notify(batch('topic', record(1)), {}, said);
  await notify(batch('webhooks', record(1)), {}, said);
  expect(said).toEqual([{ notification_id: 'n1', severity: 'high', summary: 'the disk is full' }]);
});

test('what cannot be read is a dead letter', async () => {
  expect(await notify(batch('webhooks', record(1, { summary: '' })), {})).toMatchObject([
    { deadLetter: true, reason: { code: 'invalid_body' } },
  ]);
});

test('what is given up is barred', async () => {
  const settled = await notifyAll(
    { ...batch('webhooks', record(1)), settle: true },
    { settings: settings.parse({}), world, say: () => {} },
  );
  expect(settled).toEqual({ batchItemFailures: [], publish: [], timers: [], tombstoned: [record(1).id] });
});

test('SNS gets a signed request', async () => {
  const sns = await receiver(() => ({ status: 200 }));
  expect(await notify(batch('topic', record(1)), { NOTIFY_SNS_TOPIC_ARN: arn, AWS_ENDPOINT_URL: sns.url })).toEqual([]);
  const { headers, body } = sns.got[0] as (typeof sns.got)[0];
  expect(headers.authorization).toBe(expectedAuthorization({ method: 'POST', path: '/', headers, payload: body, service: 'sns' }));
});

test('a topic hands on what it got, and one that is not there is a dead letter', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mistersmith-sns-'));
  const { endpoint, stop } = await startMinistack({ port: 0, services: ['sns', 'sqs'], folder, log: console.info });
  onTestFinished(async () => {
    await stop();
    await rm(folder, { recursive: true });
  });
  const call = async (service: string, form: Record<string, string>) => {
    const authorization = `AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`;
    const answer = await fetch(endpoint, { method: 'POST', headers: { authorization }, body: new URLSearchParams(form) });
    return answer.text();
  };
  const inside = (xml: string, tag: string) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml)?.[1] ?? '';
  const TopicArn = inside(await call('sns', { Action: 'CreateTopic', Name: 'people' }), 'TopicArn');
  const QueueUrl = inside(await call('sqs', { Action: 'CreateQueue', QueueName: 'inbox' }), 'QueueUrl');
  const Endpoint = TopicArn.replace(':sns:', ':sqs:').replace(/people$/, 'inbox');
  await call('sns', { Action: 'Subscribe', TopicArn, Protocol: 'sqs', Endpoint });
  const publish = (to: string) => notify(batch('topic', record(1)), { NOTIFY_SNS_TOPIC_ARN: to, AWS_ENDPOINT_URL: endpoint });
  expect(await publish(TopicArn)).toEqual([]);
  expect(await call('sqs', { Action: 'ReceiveMessage', QueueUrl })).toContain('[high] the disk is full');
  expect(await publish(`${TopicArn}-gone`)).toMatchObject([
    { deadLetter: true, reason: { message: expect.stringContaining('404 NotFound') } },
  ]);
});
