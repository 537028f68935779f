/** `nats:apply` on a real server: what it shows, what it does, and what it refuses before it touches anything. */
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { apply } from '#infra/nats/apply-command.ts';
import { setupNats, type TestNats } from '#test/support/nats.ts';

let nats: TestNats;
let manager: JetStreamManager;
beforeEach(async () => {
  nats = await setupNats();
  manager = await jetstreamManager(nats.connection);
});
afterEach(() => nats.stop());

const run = async (args: string[] = [], settings: Record<string, string> = {}): Promise<string[]> => {
  const said: string[] = [];
  await apply(args, (line) => said.push(line), { NATS_URL: nats.url, REPLICAS: '1', BYTES: '1GB', ...settings });
  return said;
};
const names = async (): Promise<string[]> => (await Array.fromAsync(manager.streams.names())).sort();

test('--plan shows what it would do, and does nothing', async () => {
  const said = await run(['--plan']);
  expect(said).toContain('create   WORK_QUEUE: work.>; 1 d, 133.2 MB, replicas 1');
  expect(said).toContain('create   TIMERS: timers.>; for ever, no limit of bytes, replicas 1');
  expect(await names()).toEqual([]);
});

test('the second run has nothing to change', async () => {
  expect((await run()).at(-1)).toBe('13 created, 0 changed');
  expect(await run()).toEqual(['nothing to change']);
});

test('what somebody changed is shown and mended', async () => {
  await run();
  await manager.streams.update('ALERTS', { max_age: nanos(3_600_000), subjects: ['alerts.>'] });
  const said = await run();
  expect(said).toEqual(['change   ALERTS: subjects alerts.> -> alerts.> notifications.>, max_age 1 h -> 7 d', '0 created, 1 changed']);
});

describe('where messages would be lost', () => {
  beforeEach(async () => {
    await manager.streams.add({ name: 'ALERTS', subjects: ['alerts.>', 'notifications.>'], storage: 'memory' });
    await jetstream(nats.connection).publish('alerts.low', 'kept');
  });

  test('it refuses', async () => {
    await expect(run()).rejects.toThrow(/^the stream ALERTS has storage "memory", "file" is wanted, and a server cannot change that/);
    expect(await names()).toEqual(['ALERTS']);
  });

  test('--delete-data shows the loss and accepts it', async () => {
    const said = await run(['--delete-data']);
    expect(said.find((line) => line.startsWith('rebuild'))).toMatch(/storage memory -> file.*DELETES its 1 messages and its consumers$/);
    expect((await manager.streams.info('ALERTS')).state.messages).toBe(0);
  });
});

test.each([
  [{ REPLICAS: '3' }, /^the cluster cannot hold 3 replicas \(.+\): add servers, or set REPLICAS to fewer$/],
  [{ REPLICAS: '9' }, 'the environment is wrong: REPLICAS ("9"): is not a whole number of replicas from 1 to 5'],
  [{ BYTES: 'much' }, 'the environment is wrong: BYTES ("much"): is no size: write 500MB, 50GB or 1TB'],
  [{ NATS_URL: '' }, 'NATS_URL: is needed: the address of a NATS server'],
])('%j is refused before anything is touched', async (settings, sentence) => {
  await expect(run([], settings)).rejects.toThrow(sentence);
  expect(await names()).toEqual([]);
});

test("somebody else's stream that overlaps is refused", async () => {
  await manager.streams.add({ name: 'THEIRS', subjects: ['work.nlp.>'] });
  await expect(run()).rejects.toThrow(
    /^the stream THEIRS stores work\.nlp\.>, which overlaps with work\.> of WORK_QUEUE: remove that subject from THEIRS, or delete it$/,
  );
  expect(await names()).toEqual(['THEIRS']);
});
