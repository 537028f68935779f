/** A message that kills the process it runs in, among innocent ones: it becomes one dead letter, and they act once each. */
import { afterEach, expect, test } from 'vitest';
import { FLAWLESS, judge, startLoad } from '#test/support/chaos-load.ts';
import { type ChaosWorld, setupChaos } from '#test/support/chaos-world.ts';

const PATIENT = { timeout: 150_000, interval: 250 };

let world: ChaosWorld;
afterEach(() => world.stop());

const poison = () => world.client.publish('added.tally.bad', { n: 0, deadly: true }, 'poison');

/** Why the poison was given up on; undefined while it was not. */
const reason = async (): Promise<string | undefined> => {
  const letter = await world.manager.streams.getMessage('DEAD_LETTERS', { last_by_subj: 'dlq.added.tally.bad' });
  return letter?.header.get('X-Dead-Letter-Code');
};

/** A host that dies takes with it whatever else it is at, so there is one lane; what was lost is halved until the poison is alone. */
test('a poison that kills the host of the functions', async () => {
  world = await setupChaos({ batchSize: 2, concurrency: 1, retry: 'attempts: 2, backoff: [50]' });
  await world.startBridge();
  const load = startLoad(world, 500, ['tally']);
  await expect.poll(load.published, PATIENT).toBeGreaterThan(100);
  await poison();
  await expect.poll(reason, PATIENT).toBe('timeout');
  const counts = await load.stop();
  const { flaws, ...outputs } = await judge(world, counts);
  console.info(`${load.published()} innocent messages, ${world.host.starts() - 1} deaths`, outputs);
  expect(flaws).toEqual({ ...FLAWLESS, deadLetters: 1 });
}, 240_000);

test('a poison that kills the bridge, where the functions run in it', async () => {
  world = await setupChaos({ batchSize: 4, concurrency: 2, retry: 'attempts: 1, backoff: [50]' });
  const bridge = await world.startLocalBridge();
  const before = startLoad(world, 200, ['tally']);
  await expect.poll(before.published, PATIENT).toBeGreaterThan(100);
  const counts = await before.stop();
  await expect.poll(async () => (await world.manager.consumers.info('ADDED', 'tally_events')).num_ack_pending, PATIENT).toBe(0);
  await poison();
  await expect.poll(bridge.starts, PATIENT).toBe(2);
  const meanwhile = startLoad(world, 200, ['ledger']);
  await expect.poll(reason, PATIENT).toBe('exhausted');
  const { flaws, ...outputs } = await judge(world, new Map([...counts, ...(await meanwhile.stop())]));
  console.info(`${before.published() + meanwhile.published()} innocent messages, ${bridge.starts() - 1} deaths`, outputs);
  expect(flaws).toEqual({ ...FLAWLESS, deadLetters: 1 });
}, 240_000);

/** They are delivered as often as it is, and get their turn all the same. */
test('a poison that kills the bridge while innocents wait in line behind it', async () => {
  world = await setupChaos({ batchSize: 4, concurrency: 2, retry: 'attempts: 1, backoff: [50]' });
  const before = startLoad(world, 400, ['tally']);
  await expect.poll(before.published, PATIENT).toBeGreaterThan(200);
  await poison();
  await expect.poll(before.published, PATIENT).toBeGreaterThan(400);
  const counts = await before.stop();
  const bridge = await world.startLocalBridge();
  await expect.poll(reason, PATIENT).toBe('exhausted');
  const { flaws, ...outputs } = await judge(world, counts);
  console.info(`${before.published()} innocent messages, ${bridge.starts() - 1} deaths`, outputs);
  expect(flaws).toEqual({ ...FLAWLESS, deadLetters: 1 });
}, 240_000);
