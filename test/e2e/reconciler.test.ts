/** What a stream forgot, the table still knows: alarms that were lost act all the same. */
import { GetItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 15_000, interval: 50 };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack();
});
afterAll(() => stack.stop());

/** What a minute of waiting would do: the sweep looks at the entity from now on. */
const backDate = (key: string) =>
  stack.table.client.send(
    new UpdateItemCommand({
      TableName: stack.table.name,
      Key: { pk: { S: key }, sk: { S: 'state' } },
      UpdateExpression: 'SET sweep_at = :then',
      ExpressionAttributeValues: { ':then': { N: '1' } },
    }),
  );

const alarmsOf = async (subject: string): Promise<number> => {
  const info = await (await jetstreamManager(stack.nc)).streams.info('TIMERS', { subjects_filter: subject });
  return Object.keys(info.state.subjects ?? {}).length;
};

const sweep = async () => (await stack.nc.request('control.reconciler.run', '', { timeout: 5000 })).json<{ found: number }>();

test('the bridge wakes the sweep by itself', async () => {
  const swept = async () => {
    const key = { pk: { S: 'sweep#main' }, sk: { S: 'state' } };
    return (await stack.table.client.send(new GetItemCommand({ TableName: stack.table.name, Key: key }))).Item?.state?.S;
  };
  await expect.poll(swept, WITHIN).toContain('"found":0');
});

test('an alarm that the stream lost is set again, and acts', async () => {
  const complete = await collect(stack.nc, 'gather.lost-1.complete');
  const alarm = 'timers.set.gather-aggregator.gather.lost-1';
  await stack.publish('scatter.lost-1.task', { request_id: 'lost-1', min_responses: 1, timeout_ms: 4000 });
  await expect.poll(() => alarmsOf(alarm), WITHIN).toBe(1);
  await (await jetstreamManager(stack.nc)).streams.purge('TIMERS', { filter: alarm });
  expect(await alarmsOf(alarm)).toBe(0);
  await backDate('gather#lost-1');
  expect(await sweep()).toEqual({ found: 1 });
  await expect.poll(() => alarmsOf(alarm), WITHIN).toBe(1);
  await expect.poll(() => complete.map(({ body }) => body), WITHIN).toMatchObject([{ status: 'timed_out' }]);
});

test('what was looked at is not overdue any more', async () => {
  await expect.poll(sweep, WITHIN).toEqual({ found: 0 });
});
