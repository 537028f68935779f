/** The whole stack is killed with -9 three times while messages are published: every one has its effect once, every output is there once. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readManifest } from '#infra/bridge/manifest/read-manifest.ts';
import { freePort } from '#infra/local/free-port.ts';
import { matchesFilter } from '#shared/subjects.ts';
import { type CarefulClient, carefulClient } from '#test/support/careful-client.ts';
import { type LocalStack, startLocalStack } from '#test/support/local-stack.ts';

const RESULTS = 20;
const SOON = { timeout: 180_000, interval: 500 };

let folder: string;
let env: { NATS_PORT: string; HTTP_PORT: string; DATA_DIR: string };
let stack: LocalStack;
let client: CarefulClient;
let stopWorkers = () => {};
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mistersmith-kill-'));
  env = { NATS_PORT: String(await freePort()), HTTP_PORT: '0', DATA_DIR: folder };
  stack = startLocalStack(env);
  await stack.ready;
  client = await carefulClient([`127.0.0.1:${env.NATS_PORT}`]);
}, 120_000);
afterEach(async () => {
  stopWorkers();
  await client.close();
  await stack.stop();
  await rm(folder, { recursive: true, force: true });
});

const range = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** Runs them ten at a time. */
const inTens = async (count: number, one: (n: number) => Promise<unknown>): Promise<void> => {
  for (let n = 0; n < count; n += 10) await Promise.all(range(Math.min(10, count - n)).map((i) => one(n + i)));
};

/** Kills and restarts the stack when so many messages are sent. */
const killAt = async (...counts: number[]): Promise<void> => {
  for (const count of counts) {
    await expect.poll(() => client.sent(), { timeout: 120_000, interval: 5 }).toBeGreaterThan(count);
    await stack.stop('SIGKILL');
    stack = startLocalStack(env);
    await stack.ready;
  }
};

const scatterAndGather = async (n: number): Promise<void> => {
  const id = `k${n}`;
  await client.publish(`scatter.${id}.task`, { request_id: id, min_responses: RESULTS, timeout_ms: 600_000 }, `${id}-task`);
  await Promise.all(range(RESULTS).map((w) => client.publish(`gather.${id}.result`, { agent_id: `w${w}`, result: w }, `${id}-${w}`)));
};

/** `count` subjects of the filter have one message each, once all are there. */
const eachOnce = async (stream: string, filter: string, count: number): Promise<void> => {
  await expect.poll(async () => Object.keys(await client.counts(stream, filter)).length, SOON).toBe(count);
  expect(Object.entries(await client.counts(stream, filter)).filter(([, messages]) => messages !== 1)).toEqual([]);
};

const gathersComplete = async (count: number): Promise<void> => {
  await eachOnce('COORDINATION', 'gather.*.complete', count);
  const answers = await Promise.all(range(count).map((n) => client.last('COORDINATION', `gather.k${n}.complete`)));
  expect(answers.filter((answer) => (answer as { count: number }).count !== RESULTS)).toEqual([]);
};

test('300 scatter/gathers of 20 results', async () => {
  const published = inTens(300, scatterAndGather);
  await killAt(1200, 3000, 4800);
  await published;
  await gathersComplete(300);
}, 300_000);

/** How many bindings of a stream hear whatever is said on a subject. */
const bindingsOf = async (subject: string): Promise<number> => {
  const { functions } = await readManifest('serverless.yml');
  const unfiltered = functions.flatMap(({ bindings }) => bindings).filter((binding) => binding.filter === undefined);
  return unfiltered.filter(({ source }) => source.kind === 'jetstream' && source.subjects.some((filter) => matchesFilter(filter, subject)))
    .length;
};

/** Agents that accept and complete whatever they are given, as long as the test runs. */
const workers = async (agents: string[]): Promise<() => void> => {
  for (const agent_id of agents)
    for (const verb of ['created', 'started', 'ready'])
      await client.publish(
        `agent.${agent_id}.${verb}`,
        { agent_id, capabilities: ['chaos'], max_concurrent_tasks: 50 },
        `${agent_id}-${verb}`,
      );
  const beat = setInterval(() => {
    for (const agent_id of agents) client.nc.publish(`agent.${agent_id}.heartbeat`, JSON.stringify({ agent_id, status: 'ready' }));
  }, 5000);
  const manager = await jetstreamManager(client.nc);
  const config = { durable_name: 'workers', filter_subject: 'coordination.tasks.assignment.*', ack_policy: AckPolicy.Explicit };
  await manager.consumers.add('COORDINATION_MESSAGES', config);
  const consumer = await jetstream(client.nc).consumers.get('COORDINATION_MESSAGES', 'workers');
  let working = true;
  const workOff = async () => {
    for await (const message of await consumer.fetch({ max_messages: 100, expires: 1000 })) {
      const { task_id, agent_id, attempt } = message.json<{ task_id: string; agent_id: string; attempt: number }>();
      const say = (status: string) =>
        client.publish(`coordination.tasks.status.${task_id}`, { task_id, agent_id, attempt, status }, `${task_id}-${attempt}-${status}`);
      await say('accepted');
      await say('completed');
      message.ack();
    }
  };
  const work = async () => {
    // A server that is away ends a fetch, not the worker.
    while (working) await workOff().catch(() => pause(100));
  };
  void work();
  return () => {
    working = false;
    clearInterval(beat);
  };
};

test('20,000 mixed events: failures, tasks, scatters, reports and dead letters', async () => {
  stopWorkers = await workers(range(20).map((n) => `agent-${n}`));
  const failure = (n: number) => {
    const agent_id = `failing-${n}`;
    return client.publish(
      'supervision.failures.high',
      { agent_id, event_id: agent_id, failure_type: 'process_crash', severity: 'high' },
      agent_id,
    );
  };
  const task = (n: number) => {
    const requirements = { capabilities: ['chaos'], timeout_ms: 900_000, max_attempts: 20 };
    return client.publish('coordination.tasks.assignment', { task_id: `t${n}`, coordination_type: 'assignment', requirements }, `t${n}`);
  };
  const bad = (n: number) => client.publish('supervision.failures.low', `not json ${n}`, `bad-${n}`);
  // Reports are core messages: some are lost while nobody listens, and no change of a circuit may be published twice.
  const report = async (n: number) => {
    client.nc.publish(`circuit.service-${n % 10}.report`, JSON.stringify({ outcome: 'failure' }));
    await pause(50);
  };
  const published = Promise.all([
    inTens(500, scatterAndGather),
    inTens(3000, failure),
    inTens(500, task),
    inTens(2000, bad),
    inTens(3000, report),
  ]);
  await killAt(3000, 8000, 12_000);
  await published;

  await gathersComplete(500);
  await eachOnce('SUPERVISION_EVENTS', 'supervision.recovery.failing-*', 3000);
  await eachOnce('COORDINATION_MESSAGES', 'coordination.tasks.done.*', 500);
  const ends = await Promise.all(
    range(500).map((n) => client.last<{ outcome: string }>('COORDINATION_MESSAGES', `coordination.tasks.done.t${n}`)),
  );
  expect(ends.filter((end) => end?.outcome !== 'completed')).toEqual([]);
  // Each function that reads failures gives a bad one up once.
  const readers = await bindingsOf('supervision.failures.low');
  await expect.poll(() => client.counts('DEAD_LETTERS', 'dlq.>'), SOON).toEqual({ 'dlq.supervision.failures.low': 2000 * readers });
  const changes = await client.all<{ service: string; epoch: number }>('CIRCUITS', 'circuit.>');
  const named = changes.map(({ service, epoch }) => `${service} ${epoch}`);
  expect([named.length > 0, named.length]).toEqual([true, new Set(named).size]);
}, 600_000);
