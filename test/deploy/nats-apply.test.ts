/** `nats:apply` on a real server: what it shows, what it does, and what it refuses before it touches anything. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, nanos } from '@nats-io/transport-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { apply } from '#infra/nats/apply-command.ts';
import { PROBE_STREAM } from '#infra/nats/probe.ts';
import { setupNats, type TestNats } from '#test/support/nats.ts';
import { type ConfiguredNats, configuredNats } from '#test/support/nats-with.ts';

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
  [{ REPLICAS: '3' }, /^the servers cannot hold 3 replicas of 1 GB \(.+\): add disks or servers, or set BYTES or REPLICAS to less$/],
  [{ REPLICAS: '9' }, 'the environment is wrong: REPLICAS ("9"): is not a whole number of replicas from 1 to 5'],
  [{ BYTES: 'much' }, 'the environment is wrong: BYTES ("much"): is no size: write 500MB, 50GB or 1TB'],
  [{ NATS_INBOX: '_INBOX.>' }, 'NATS_INBOX ("_INBOX.>"): is nothing that a subject begins with: write _INBOX.<id>'],
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

describe('queues of work', () => {
  const queues = async () => (await Array.fromAsync(manager.consumers.list('WORK_QUEUE'))).map(({ name }) => name).sort();
  const stored = async () => (await manager.streams.info('WORK_QUEUE')).state.messages;
  const lone = (domain: string) => ['critical', 'high', 'low', 'normal'].map((priority) => `work-${domain}-${priority}`);
  const js = () => jetstream(nats.connection);

  test('are made for the domains that WORK_DOMAINS names, and found right the second time', async () => {
    const said = await run([], { WORK_DOMAINS: 'nlp, vision' });
    expect(said).toContain('create   work-nlp-critical: work.nlp.critical.>');
    expect(said.at(-1)).toBe('21 created, 0 changed');
    expect(await queues()).toEqual([...lone('nlp'), ...lone('vision')]);
    expect(await run([], { WORK_DOMAINS: 'nlp,vision' })).toEqual(['nothing to change']);
  });

  test('are mended where somebody changed them, and lose nothing by it', async () => {
    await run([], { WORK_DOMAINS: 'nlp' });
    await js().publish('work.nlp.low.parse', 'kept');
    await manager.consumers.update('WORK_QUEUE', 'work-nlp-low', { max_deliver: 9, max_ack_pending: 1 });
    const said = await run([], { WORK_DOMAINS: 'nlp' });
    expect(said).toEqual(['change   work-nlp-low: max_deliver, max_ack_pending', '0 created, 1 changed']);
    expect(await manager.consumers.info('WORK_QUEUE', 'work-nlp-low')).toMatchObject({ num_pending: 1, config: { max_deliver: 5 } });
  });

  test('a domain of plain workers is left out of the stream; what is queued already stays and can be taken', async () => {
    await run([], { WORK_DOMAINS: 'nlp,vision' });
    for (const domain of ['nlp', 'vision']) await js().publish(`work.${domain}.high.x`, domain);
    const said = await run([], { WORK_DOMAINS: 'nlp', WORK_CORE_DOMAINS: 'vision' });
    expect(said).toEqual(['change   WORK_QUEUE: subjects work.> -> work.nlp.>', '0 created, 1 changed']);
    const heard = nats.connection.subscribe('work.vision.>', { queue: 'workers-vision', max: 1 });
    nats.connection.publish('work.vision.high.x', 'heard');
    expect([(await Array.fromAsync(heard)).map((message) => message.string()), await stored()]).toEqual([['heard'], 2]);
    const queued = await (await js().consumers.get('WORK_QUEUE', 'work-vision-high')).next({ expires: 1000 });
    expect([queued?.string(), await queued?.ackAck(), await stored()]).toEqual(['vision', true, 1]);
  });

  test('and is back in it when it is named no more, with all that waited', async () => {
    await run([], { WORK_DOMAINS: 'nlp', WORK_CORE_DOMAINS: 'vision' });
    await js().publish('work.nlp.high.x', 'kept');
    expect(await run([], { WORK_DOMAINS: 'nlp,vision' })).toContain('change   WORK_QUEUE: subjects work.nlp.> -> work.>');
    await js().publish('work.vision.high.x', 'queued');
    expect(await stored()).toBe(2);
  });

  test("somebody's own consumer of the same work is refused with its subject", async () => {
    await run();
    await manager.consumers.add('WORK_QUEUE', { durable_name: 'theirs', ack_policy: 'explicit', filter_subject: 'work.nlp.>' });
    await expect(run([], { WORK_DOMAINS: 'nlp' })).rejects.toThrow(
      /^the queue work-nlp-critical \(work\.nlp\.critical\.> of WORK_QUEUE\) was refused by the server: .*not unique on workqueue/,
    );
  });

  test.each([
    [
      { WORK_DOMAINS: 'nlp,a.b' },
      'WORK_DOMAINS ("nlp,a.b"): names what is no domain: write ids with commas between them, such as nlp,vision',
    ],
    [
      { WORK_DOMAINS: 'nlp,ml', WORK_CORE_DOMAINS: 'ml' },
      'WORK_DOMAINS and WORK_CORE_DOMAINS both name ml: work is queued or not, so leave it out of one',
    ],
    [{ WORK_CORE_DOMAINS: 'ml' }, 'WORK_CORE_DOMAINS is set without WORK_DOMAINS: name the domains whose work is queued, too'],
  ])('%j is refused before anything is touched', async (settings, sentence) => {
    await expect(run([], settings)).rejects.toThrow(sentence);
    expect(await names()).toEqual([]);
  });
});

describe('on a server of a configuration', () => {
  let folder: string;
  let server: ConfiguredNats;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mistersmith-apply-'));
    server = await configuredNats(folder);
  });
  afterEach(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const streamsThere = async () => {
    const connection = await connect({ servers: server.url });
    const there = await Array.fromAsync((await jetstreamManager(connection)).streams.names());
    await connection.close();
    return there.length;
  };

  test('too small a disk is told before anything is changed, and less is taken then', async () => {
    await server.start(`jetstream { store_dir: "${folder}", max_file_store: 500MB }`);
    await expect(run([], { NATS_URL: server.url })).rejects.toThrow(
      /^the servers cannot hold 1 replica of 1 GB \(insufficient storage .+\): add disks or servers, or set BYTES or REPLICAS to less$/,
    );
    expect(await streamsThere()).toBe(0);
    expect((await run([], { NATS_URL: server.url, BYTES: '400MB' })).at(-1)).toBe('13 created, 0 changed');
  });

  test('what an interrupted run left behind does not stop the next one', async () => {
    await server.start(`jetstream { store_dir: "${folder}", max_file_store: 500MB }`);
    const connection = await connect({ servers: server.url });
    await (await jetstreamManager(connection)).streams.add({ name: PROBE_STREAM, subjects: ['mistersmith.probe'], max_bytes: 4e8 });
    await connection.close();
    expect((await run([], { NATS_URL: server.url, BYTES: '400MB' })).at(-1)).toBe('13 created, 0 changed');
    expect(await streamsThere()).toBe(13);
  });

  test('a user that may not hear its answers is told to set its inbox, and can', async () => {
    const user = '{ user: a, password: b, permissions: { subscribe: "_INBOX.a.>" } }';
    await server.start(`jetstream { store_dir: "${folder}" }\nauthorization { users: [${user}] }`);
    const settings = { NATS_URL: server.url, NATS_USER: 'a', NATS_PASSWORD: 'b' };
    await expect(run([], settings)).rejects.toThrow(
      /^this user may not ask the nats-server at .+ \(Permissions Violation .+\): set NATS_INBOX to _INBOX\.<id> \(of a bridge: _INBOX\.bridge\), or correct its permissions$/,
    );
    expect((await run([], { ...settings, NATS_INBOX: '_INBOX.a' })).at(-1)).toBe('13 created, 0 changed');
  });
});
