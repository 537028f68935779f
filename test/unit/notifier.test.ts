/** What is sent of a notification, and what an answer means. */
import { describe, expect, test } from 'vitest';
import { type Answered, errorCode, judge, publishForm, together, webhookRequest, webhookSignature } from '#functions/notifier/decide.ts';
import { settings } from '#functions/notifier/settings.ts';
import { functionRole } from '#infra/serverless/function-role.ts';
import type { Notification } from '#shared/messages/alert.ts';
import { START } from '#test/support/decide.ts';

const notification: Notification = { notification_id: 'n1', severity: 'high', status: 'firing', summary: 'the disk is full', count: 3 };
const told = { id: 'n1', at: START, notification };
const arn = 'arn:aws:sns:eu-west-1:123456789012:people';
const secret = `whsec_${Buffer.alloc(24, 'k').toString('base64')}`;

describe('a webhook', () => {
  test('is signed as the specification says, by the example of its libraries', () => {
    const signature = webhookSignature(
      'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      '1614265330',
      '{"test": 2432232314}',
    );
    expect(signature).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });

  test('tells the notification, and when it was published', () => {
    const { headers, body } = webhookRequest(told, secret, START + 5999);
    expect(headers).toMatchObject({ 'webhook-id': 'n1', 'webhook-timestamp': String(START / 1000 + 5) });
    expect(JSON.parse(body)).toEqual({ type: 'alert.firing', timestamp: '2026-01-01T00:00:00.000Z', data: notification });
  });

  test('has the same id and body at every attempt', () => {
    const [first, second] = [1, 2].map((n) => webhookRequest(told, secret, START + n * 60_000));
    expect([second?.body, second?.headers['webhook-id']]).toEqual([first?.body, 'n1']);
    expect(second?.headers['webhook-signature']).not.toBe(first?.headers['webhook-signature']);
  });
});

test('a topic gets a subject that SNS takes, and all that is known', () => {
  const form = new URLSearchParams(publishForm({ ...told, notification: { ...notification, summary: 'Größe\n'.repeat(50) } }, arn));
  expect(form.get('Subject')).toMatch(/^\[high\] Gr\?\?e\?[\x20-\x7e]{86}$/);
  expect(form.get('Message')).toContain('"count": 3');
});

describe('an answer', () => {
  const wait = (afterMs: number) => ({ outcome: 'retry', afterMs });
  test.each<[string, Answered, object]>([
    ['of success', { status: 204, retryAfter: null }, { outcome: 'sent' }],
    ['of a server in trouble', { status: 503, retryAfter: null }, { outcome: 'retry', why: 'there answered 503' }],
    ['that asks for seconds', { status: 429, retryAfter: '7' }, wait(7000)],
    ['that names a time', { status: 503, retryAfter: new Date(START + 9000).toUTCString() }, wait(9000)],
    ['that asks for a year', { status: 503, retryAfter: '31536000' }, wait(86_400_000)],
    ['of a throttle of SNS', { status: 400, retryAfter: null, code: 'Throttling' }, { outcome: 'retry' }],
    ['of another mistake', { status: 400, retryAfter: null, code: 'InvalidParameter' }, { why: 'there answered 400 InvalidParameter' }],
    ['of a receiver that is gone', { status: 410, retryAfter: '7' }, { outcome: 'refused', why: 'there answered 410' }],
    ['that is elsewhere', { status: 301, retryAfter: null }, { outcome: 'refused' }],
  ])('%s', (_, answer, outcome) => {
    expect(judge('there', answer, START)).toMatchObject(outcome);
  });

  test('that makes no sense of time is one without', () => {
    expect(judge('there', { status: 503, retryAfter: 'soon' }, START)).toEqual({ outcome: 'retry', why: 'there answered 503' });
  });

  test('of SNS has a code', () => {
    expect(errorCode('<ErrorResponse><Error><Code>NotFound</Code></Error></ErrorResponse>')).toBe('NotFound');
  });
});

test('as long as one of several may take it yet, it is tried again, not before the latest says', () => {
  const refused = { outcome: 'refused', why: 'a' } as const;
  const retry = (afterMs: number) => ({ outcome: 'retry', why: 'b', afterMs }) as const;
  expect(together([{ outcome: 'sent' }, refused, retry(1), retry(5)])).toEqual({ outcome: 'retry', why: 'b; b; a', afterMs: 5 });
  expect(together([{ outcome: 'sent' }, refused])).toEqual(refused);
  expect(together([])).toEqual({ outcome: 'sent' });
});

describe('settings', () => {
  test('may be none', () => {
    expect(settings.parse({ NOTIFY_SNS_TOPIC_ARN: '', NOTIFY_WEBHOOKS: '' })).toEqual({ topic: undefined, webhooks: [], secret: '' });
  });

  test('say the region of the topic', () => {
    expect(settings.parse({ NOTIFY_SNS_TOPIC_ARN: arn }).topic).toEqual({
      arn,
      region: 'eu-west-1',
      endpoint: 'https://sns.eu-west-1.amazonaws.com',
    });
  });

  test.each([
    [{ NOTIFY_SNS_TOPIC_ARN: 'people' }],
    [{ NOTIFY_SNS_TOPIC_ARN: `${arn}.fifo` }],
    [{ NOTIFY_WEBHOOKS: 'https://a.example/hunter2', NOTIFY_WEBHOOK_SECRET: 'whsec_hunter2' }],
    [{ NOTIFY_WEBHOOKS: 'https://a.example/hunter2' }],
    [{ NOTIFY_WEBHOOKS: 'https://me:hunter2@a.example', NOTIFY_WEBHOOK_SECRET: secret }],
    [{ NOTIFY_WEBHOOKS: 'ftp://hunter2', NOTIFY_WEBHOOK_SECRET: secret }],
  ])('that are wrong are refused, without saying them: %j', (environment) => {
    const { error } = settings.safeParse(environment);
    expect(error?.issues).toHaveLength(1);
    expect(JSON.stringify(error?.issues)).not.toContain('hunter2');
  });
});

test('only a topic that is given may be published to', () => {
  const statements = (topic: string) =>
    functionRole({ tableName: 't', access: undefined, logGroup: 'L', topic }).Properties.Policies[0]?.PolicyDocument.Statement.slice(1);
  expect(statements('')).toEqual([]);
  expect(statements(arn)).toEqual([{ Sid: 'Notify', Effect: 'Allow', Action: ['sns:Publish'], Resource: [arn] }]);
});
