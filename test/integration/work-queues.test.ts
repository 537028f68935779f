/** Priority work queues (issue 8) on a real server: what a bridge does for them, and the worker of docs/patterns.md as it stands there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createMetrics } from '#infra/bridge/observe/metrics.ts';
import { natsPublisher } from '#infra/bridge/publish/nats-publisher.ts';
import { readQueues } from '#infra/bridge/queues/read-queues.ts';
import { queueConsumer, queueName, queuesOf } from '#infra/bridge/queues/work-queue.ts';
import { workQueuesDuty } from '#infra/bridge/queues/work-queues.ts';
import { takeWork } from '#infra/local/take-work.ts';
import { setupNats, type TestNats } from '#test/support/nats.ts';
import { pythonWithNats } from '#test/support/python.ts';

const WITHIN = { timeout: 10_000, interval: 20 };
const STREAM = 'WORK_QUEUE';

let nats: TestNats;
let manager: JetStreamManager;
let js: JetStreamClient;
beforeAll(async () => {
  nats = await setupNats({ streams: true });
  manager = await jetstreamManager(nats.connection);
  js = jetstream(nats.connection);
});
afterAll(() => nats.stop());
afterEach(async () => {
  await manager.streams.purge(STREAM);
  for (const { name } of await Array.fromAsync(manager.consumers.list(STREAM))) await manager.consumers.delete(STREAM, name);
});

/** A bridge's part, which looks every 20 ms. `streams`: what of the server's streams is not as it should be. */
const lookAfter = async (streams: Partial<JetStreamManager['streams']> = {}) => {
  const clock = { now: Date.now, after: (_: number, fn: () => void) => clearTimeout.bind(null, setTimeout(fn, 20)) };
  const [publisher, metrics, told] = [natsPublisher({ nc: nats.connection }), createMetrics(), [] as string[]];
  const faulty = Object.create(manager, { streams: { value: Object.assign(Object.create(manager.streams), streams) } });
  const duty = workQueuesDuty({ nc: nats.connection, manager: faulty, publisher, metrics, log: (sentence) => told.push(sentence), clock });
  await duty.take(() => true);
  onTestFinished(async () => {
    await duty.handOver();
    publisher.close();
  });
  return { metrics, told, stop: () => duty.handOver() };
};

const provide = async (domain: string) => {
  for (const queue of queuesOf(domain)) await manager.consumers.add(STREAM, queueConsumer(queue));
};
const queueNames = async () => (await Array.fromAsync(manager.consumers.list(STREAM))).map(({ name }) => name).sort();
const publish = (subject: string, count = 1) => Promise.all(Array.from({ length: count }, (_, n) => js.publish(subject, String(n + 1))));
const stored = async () => (await manager.streams.info(STREAM)).state.messages;
/** Takes what there is and gives it back, until no more is delivered. */
const refuseAll = async (queue: string) => {
  const consumer = await js.consumers.get(STREAM, queue);
  for (let message = await consumer.next({ expires: 1000 }); message; message = await consumer.next({ expires: 1000 })) message.nak();
};

test('a domain that has work gets its queues, one a priority', async () => {
  const { told } = await lookAfter();
  await publish('work.nlp-2.low.parse');
  await expect.poll(queueNames, WITHIN).toEqual(queuesOf('nlp-2').map(queueName).sort());
  await expect.poll(() => told, WITHIN).toEqual(['the domain nlp-2 has work: its queues are there now']);
});

test('somebody who takes the work in another way keeps it, and is told of once', async () => {
  await manager.consumers.add(STREAM, { durable_name: 'theirs', ack_policy: 'explicit', filter_subject: 'work.vision.>' });
  const { told, metrics } = await lookAfter();
  await publish('work.vision.low.ocr');
  await expect.poll(() => told, WITHIN).toEqual([expect.stringMatching(/^the domain vision gets no queues, the server refuses them: /)]);
  await publish('work.nlp.low.parse');
  await expect.poll(() => metrics.queues.read().map(({ domain }) => domain), WITHIN).toEqual(['nlp', 'nlp', 'nlp', 'nlp']);
  expect(told).toHaveLength(2);
});

test('the depth of a queue is what waits and what is in work, its age that of the oldest', async () => {
  await provide('nlp');
  await publish('work.nlp.high.parse', 3);
  const held = await (await js.consumers.get(STREAM, 'work-nlp-high')).next({ expires: 1000 });
  const { metrics, stop } = await lookAfter();
  const high = () => metrics.queues.read().find(({ priority }) => priority === 'high');
  await expect.poll(high, WITHIN).toMatchObject({ domain: 'nlp', pending: 2, unsettled: 1 });
  await expect.poll(() => high()?.oldestAgeSeconds, WITHIN).toBeGreaterThan(0.1);
  expect(await metrics.text()).toContain('mistersmith_bridge_work_queue_depth{domain="nlp",priority="high"} 3');
  expect(await metrics.text()).toContain('mistersmith_bridge_work_queue_oldest_age_seconds{domain="nlp",priority="low"} 0');
  await held?.ackAck();
  await expect.poll(high, WITHIN).toMatchObject({ pending: 2, unsettled: 0 });
  await stop();
  expect(metrics.queues.read()).toEqual([]);
});

test('what is delivered too often is a dead letter with its bytes, and leaves the stream; the rest stays', async () => {
  await provide('nlp');
  await publish('work.nlp.high.parse', 2);
  const letters = nats.connection.subscribe('dlq.work.>', { max: 1 });
  await refuseAll('work-nlp-high');
  await publish('work.nlp.high.parse');
  const { told } = await lookAfter();
  const [letter] = await Array.fromAsync(letters);
  expect([letter?.subject, letter?.headers?.get('X-Dead-Letter-Code'), letter?.headers?.get('X-Dead-Letter-Function')]).toEqual([
    'dlq.work.nlp.high.parse',
    'max_deliveries',
    'work-nlp-high',
  ]);
  await expect.poll(stored, WITHIN).toBe(1);
  await expect
    .poll(() => told, WITHIN)
    .toEqual(Array(2).fill('work-nlp-high: a message of work.nlp.high.parse was given up after 5 deliveries'));
  const kept = await manager.streams.info('DEAD_LETTERS', { subjects_filter: 'dlq.work.>' });
  expect(kept.state.subjects).toEqual({ 'dlq.work.nlp.high.parse': 2 });
});

test('a bridge that dies between the letter and the end of its work leaves no second letter, and no work', async () => {
  await publish('work.a-1_b.high.parse');
  await provide('a-1_b');
  await manager.streams.purge('DEAD_LETTERS', { filter: 'dlq.work.>' });
  await refuseAll('work-a-1_b-high');
  const dying = await lookAfter({ deleteMessage: () => Promise.reject(new Error('killed')) });
  await expect.poll(() => dying.told, WITHIN).toEqual(['the queues of work cannot be looked after, trying again: killed']);
  await dying.stop();
  const { told, stop } = await lookAfter();
  // What it had in hand comes again after 30 s: here it is told at once.
  const { streams } = manager;
  const advisory = await streams.getMessage('ADVISORIES', {
    last_by_subj: `$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.${STREAM}.work-a-1_b-high`,
  });
  await js.publish(advisory?.subject ?? '', advisory?.data);
  await expect.poll(() => told, WITHIN).toEqual(['work-a-1_b-high: a message of work.a-1_b.high.parse was given up after 5 deliveries']);
  const kept = await streams.info('DEAD_LETTERS', { subjects_filter: 'dlq.work.>' });
  expect([await stored(), kept.state.subjects]).toEqual([0, { 'dlq.work.a-1_b.high.parse': 1 }]);
  await stop();
  await manager.consumers.delete('ADVISORIES', 'work-given-up');
});

test('two bridges that look after the queues at once make one letter', async () => {
  await provide('nlp');
  await publish('work.nlp.low.sum');
  await manager.streams.purge('DEAD_LETTERS', { filter: 'dlq.work.>' });
  await refuseAll('work-nlp-low');
  const [one, other] = [await lookAfter(), await lookAfter()];
  await expect.poll(stored, WITHIN).toBe(0);
  await expect.poll(() => [...one.told, ...other.told].length, WITHIN).toBe(1);
  const kept = await manager.streams.info('DEAD_LETTERS', { subjects_filter: 'dlq.work.>' });
  expect(kept.state.subjects).toEqual({ 'dlq.work.nlp.low.sum': 1 });
});

test('a full queue tells its publisher, and takes more when some is done', async () => {
  await provide('nlp');
  await publish('work.nlp.low.parse', 1000);
  await expect(js.publish('work.nlp.low.parse', 'too much')).rejects.toThrow('maximum messages per subject exceeded');
  await publish('work.nlp.critical.parse');
  await takeWork(nats.connection, 'nlp', 2, () => undefined);
  await expect(js.publish('work.nlp.low.parse', 'enough')).resolves.toMatchObject({ stream: STREAM });
});

test('an advisory about a message that is gone, or was another one, buries nothing', async () => {
  await provide('nlp');
  const [ack] = await publish('work.nlp.high.parse');
  const about = { stream: STREAM, consumer: 'work-nlp-high', deliveries: 5 };
  const advise = (stream_seq: number, timestamp: string) =>
    js.publish(
      `$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.${STREAM}.work-nlp-high`,
      JSON.stringify({ ...about, id: String(stream_seq), stream_seq, timestamp }),
    );
  await advise(ack?.seq ?? 0, '2020-01-01T00:00:00Z');
  await advise(999_999, new Date().toISOString());
  const { told } = await lookAfter();
  const read = async () => {
    const { num_pending, num_ack_pending } = await manager.consumers.info('ADVISORIES', 'work-given-up');
    return num_pending + num_ack_pending;
  };
  await expect.poll(read, WITHIN).toBe(0);
  expect([await stored(), told]).toEqual([1, []]);
});

/** What `work` is printed as, of lines `work.<domain>.<priority>.<type> <body>`. */
const priorities = (lines: readonly string[]): string[] => lines.map((line) => line.split('.')[2] ?? '');
/** Of each 15 in a row. */
const shares = (taken: readonly string[]) =>
  Array.from({ length: taken.length - 14 }, (_, n) => taken.slice(n, n + 15).filter((one) => one === 'low').length);

/** The worker of the docs. Its output, line by line, grows. */
const pythonWorker = async (): Promise<string[]> => {
  const [, source = ''] = /## Work queues.*?```python\n(.*?)```/s.exec(await readFile('docs/patterns.md', 'utf8')) ?? [];
  const folder = await mkdtemp(join(tmpdir(), 'mistersmith-worker-'));
  await writeFile(join(folder, 'worker.py'), source);
  const child = spawn(await pythonWithNats(), [join(folder, 'worker.py')], { env: { ...process.env, NATS_URL: nats.url } });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    await rm(folder, { recursive: true });
  });
  const lines: string[] = [];
  let rest = '';
  child.stderr.on('data', (data) => lines.push(`stderr: ${data}`));
  child.stdout.on('data', (data) => {
    const parts = (rest + data).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  return lines;
};

test('under a standing load of critical work a Python worker gives low work its fifteenth, and then does the rest', async () => {
  await provide('nlp');
  await Promise.all([publish('work.nlp.critical.parse', 70), publish('work.nlp.low.parse', 10)]);
  const lines = await pythonWorker();
  await expect.poll(() => lines.length, WITHIN).toBe(80);
  const taken = priorities(lines);
  // While there was work of both.
  expect(shares(taken.slice(0, 70)).filter((low) => low !== 1)).toEqual([]);
  expect(taken.filter((one) => one === 'low')).toHaveLength(10);
  await expect.poll(stored, WITHIN).toBe(0);
});

test('where all priorities have work, a Python worker takes 8, 4, 2 and 1 of 15', async () => {
  await provide('nlp');
  for (const { priority } of queuesOf('nlp')) await publish(`work.nlp.${priority}.parse`, 30);
  const lines = await pythonWorker();
  await expect.poll(() => lines.length, WITHIN).toBe(120);
  const first = Map.groupBy(priorities(lines).slice(0, 30), (one) => one);
  expect(['critical', 'high', 'normal', 'low'].map((one) => first.get(one)?.length)).toEqual([16, 8, 4, 2]);
});

test('a Python worker that was there before the queues idles for nothing else', async () => {
  const lines = await pythonWorker();
  await provide('nlp');
  await publish('work.nlp.low.parse', 100);
  // A half second of rest before each low one would be 50 s.
  await expect.poll(() => lines.length, WITHIN).toBe(100);
});

test('a Python worker takes work for work, whatever headers it has', async () => {
  await provide('nlp');
  const status = headers();
  status.set('Status', 'urgent');
  await js.publish('work.nlp.low.parse', 'with a status of its own', { headers: status });
  const lines = await pythonWorker();
  await expect.poll(() => lines, WITHIN).toEqual(['work.nlp.low.parse with a status of its own']);
  await expect.poll(stored, WITHIN).toBe(0);
});

test('the command line takes work in the same turns', async () => {
  await provide('nlp');
  await Promise.all([publish('work.nlp.critical.parse', 30), publish('work.nlp.low.parse', 5)]);
  // A queue hears of what is stored a moment later.
  await expect.poll(async () => (await readQueues(manager)).map(({ pending }) => pending), WITHIN).toEqual([30, 0, 5, 0]);
  const taken: string[] = [];
  await takeWork(nats.connection, 'nlp', 30, ({ subject }) => taken.push(subject));
  expect(shares(priorities(taken)).filter((low) => low !== 1)).toEqual([]);
  expect((await readQueues(manager)).map(({ priority, pending, unsettled }) => [priority, pending, unsettled])).toEqual([
    ['critical', 2, 0],
    ['high', 0, 0],
    ['low', 3, 0],
    ['normal', 0, 0],
  ]);
});
