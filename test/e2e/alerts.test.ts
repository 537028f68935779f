/** From alerts to the people who get their notifications, on the real stack. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Got, isGenuine, startReceiver } from '#test/support/receiver.ts';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 60_000, interval: 50 };
const secret = `whsec_${Buffer.alloc(32, 's').toString('base64')}`;

type Told = { notification_id: string; severity: string; status: string; source: string; summary: string; count: number; groups?: number };
const toldIn = ({ body }: Pick<Got, 'body'>) => (JSON.parse(body) as { data: Told }).data;

let stack: Stack;
let receiver: Awaited<ReturnType<typeof startReceiver>>;
beforeAll(async () => {
  receiver = await startReceiver((got) => {
    const { summary, notification_id } = toldIn(got);
    const tries = receiver.got.filter((one) => toldIn(one).notification_id === notification_id).length;
    if (summary === 'busy' && tries === 1) return { status: 500, headers: { 'retry-after': '1' } };
    return { status: summary === 'gone' ? 410 : 204 };
  });
  const webhooks = { NOTIFY_WEBHOOKS: receiver.url, NOTIFY_WEBHOOK_SECRET: secret };
  stack = await setupStack({ ...webhooks, ALERT_GROUP_WAIT_MS: '2000' });
});
afterAll(async () => {
  await stack.stop();
  await receiver.stop();
});

const ask = async (verb: string, body: object = {}) =>
  (await stack.nc.request(`control.alerts.${verb}`, JSON.stringify(body), { timeout: 5000 })).json<Record<string, unknown>>();

const received = (summary: string) => receiver.got.filter((one) => toldIn(one).summary === summary);

test('a critical alert reaches the webhook, signed, and its end follows it', async () => {
  await stack.publish('alerts.critical', { source: 'nodes', summary: 'on fire' });
  await expect.poll(() => received('on fire'), WITHIN).toHaveLength(1);
  await stack.publish('alerts.low', { source: 'nodes', group: 'on fire', summary: 'put out', status: 'resolved' });
  await expect.poll(() => received('resolved: on fire'), WITHIN).toHaveLength(1);
  expect(receiver.got.map((one) => isGenuine(one, secret))).toEqual(receiver.got.map(() => true));
});

test('what a busy receiver does not take is sent again, under the same id', async () => {
  await stack.publish('alerts.critical', { source: 'nodes', summary: 'busy' });
  await expect.poll(() => received('busy'), WITHIN).toHaveLength(2);
  expect(new Set(received('busy').map(({ headers }) => headers['webhook-id'])).size).toBe(1);
});

test('what a receiver refuses for good is a dead letter', async () => {
  const letters = await collect(stack.nc, 'dlq.notifications.critical');
  await stack.publish('alerts.critical', { source: 'nodes', summary: 'gone' });
  const said = () => letters.map(({ headers }) => [headers['X-Dead-Letter-Function'], headers['X-Dead-Letter-Reason']]);
  await expect.poll(said, { ...WITHIN, timeout: 20_000 }).toEqual([['notifier', expect.stringContaining('answered 410')]]);
  expect(received('gone')).toHaveLength(1);
});

test('a silence keeps an alert from people until it is lifted', async () => {
  const until = new Date(Date.now() + 3_600_000).toISOString();
  const { silence } = (await ask('silence', { source: 'quiet', until })) as { silence: { silence_id: string } };
  expect(await ask('list', { view: 'silences' })).toEqual({ silences: [silence] });
  await stack.publish('alerts.critical', { source: 'quiet', summary: 'hush' });
  await expect.poll(async () => JSON.stringify(await ask('list', { severity: 'critical' })), WITHIN).toContain('hush');
  await ask('unsilence', { silence_id: silence.silence_id });
  // News are looked at at once.
  await stack.publish('alerts.critical', { source: 'quiet', summary: 'hush' });
  await expect.poll(() => received('2 alerts of quiet, the last: hush'), WITHIN).toHaveLength(1);
});
