/** The product on the cluster: the bridge with the bridge's user, functions in process, and agents that are users of a domain. */
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type Bridge, startBridge } from '#infra/bridge/bridge.ts';
import { localInvoker } from '#infra/bridge/invoke/local-invoker.ts';
import { readManifest } from '#infra/bridge/manifest/read-manifest.ts';
import { apply } from '#infra/nats/apply-command.ts';
import { connectTo } from '#infra/nats/connect.ts';
import { type NatsCluster, setupNatsCluster } from '#test/support/nats-cluster.ts';
import { collect } from '#test/support/stack.ts';
import { startSupervised } from '#test/support/supervised.ts';
import { setupTable, type TestTable } from '#test/support/table.ts';

const WITHIN = { timeout: 10_000, interval: 20 };

let cluster: NatsCluster;
let table: TestTable;
let bridge: Bridge;
let worker: NatsConnection;
let coordinator: NatsConnection;
let supervisor: NatsConnection;
let operator: NatsConnection;

beforeAll(async () => {
  [cluster, table] = await Promise.all([setupNatsCluster({ domains: ['nlp', 'vision'], mutual: true }), setupTable()]);
  Object.assign(process.env, {
    TABLE_NAME: table.tableName,
    AWS_ENDPOINT_URL_DYNAMODB: table.endpoint,
    POWERTOOLS_METRICS_DISABLED: 'true',
    POWERTOOLS_LOG_LEVEL: 'CRITICAL',
  });
  await cluster.give('bridge', 'bridge');
  await cluster.give('operator', 'operator');
  await cluster.give('provisioner', 'provisioner');
  await cluster.give('a1', 'agent', 'nlp');
  await cluster.give('coord', 'coordinator', 'nlp');
  await cluster.give('super', 'supervisor', 'nlp');
  // Everybody at another server than the bridge.
  worker = await cluster.connectAs('a1', { server: 1 });
  coordinator = await cluster.connectAs('coord', { server: 1 });
  supervisor = await cluster.connectAs('super', { server: 1 });
  operator = await cluster.connectAs('operator', { server: 2 });
  // Three servers that have just met.
  const provisioner = {
    ...cluster.environment,
    WORK_DOMAINS: 'nlp',
    NATS_CREDS: join(cluster.folder, 'provisioner.creds'),
    NATS_INBOX: '_INBOX.provisioner',
  };
  await vi.waitFor(() => apply([], () => undefined, { ...provisioner, BYTES: '1GB' }), { timeout: 30_000, interval: 100 });
  const manifest = await readManifest('serverless.yml');
  const connection = await cluster.connectAs('bridge');
  bridge = await startBridge({ manifest, connection, invoker: await localInvoker(manifest), log: () => undefined });
});
afterAll(async () => {
  await bridge?.drain(5000);
  await Promise.all([cluster.stop(), table.stop()]);
});
afterEach(() => expect(cluster.violations).toEqual([]));

const publish = (nc: NatsConnection, subject: string, body: object) => jetstream(nc).publish(subject, JSON.stringify(body));
const ask = async (nc: NatsConnection, subject: string, body: object = {}) =>
  (await nc.request(subject, JSON.stringify(body), { timeout: 5000 })).json<Record<string, unknown>>();

test('an agent registers, beats, and is found by an agent of its domain', async () => {
  for (const verb of ['created', 'started', 'ready'])
    await publish(worker, `agent.a1.${verb}`, { agent_id: 'a1', domain: 'nlp', capabilities: ['parse'], max_concurrent_tasks: 2 });
  const found = () => {
    worker.publish('agent.a1.heartbeat', JSON.stringify({ agent_id: 'a1', status: 'busy', current_load: 0.5 }));
    return ask(coordinator, 'agents.discovery.find', { capability: 'parse' });
  };
  await expect.poll(found, WITHIN).toMatchObject({ agents: [{ agent_id: 'a1', state: 'active', status: 'busy', current_load: 0.5 }] });
});

test('its state is in the bucket, which a coordinator may read', async () => {
  const bucket = await new Kvm(coordinator).open('AGENT_STATE');
  await expect.poll(async () => (await bucket.get('agent.a1'))?.json(), WITHIN).toMatchObject({ agent_id: 'a1' });
});

test('its failure is recovered, and its supervisor hears of it', async () => {
  const recoveries = await collect(supervisor, 'supervision.recovery.a1');
  await publish(worker, 'supervision.failures.high', { event_id: 'e1', agent_id: 'a1', failure_type: 'memory_leak' });
  await expect.poll(() => recoveries.length, WITHIN).toBe(1);
});

test("a supervisor's process starts an agent, tells of its death, and brings it back, with the rights of its domain", async () => {
  const env = { ...cluster.environment, NATS_CREDS: join(cluster.folder, 'super.creds'), NATS_INBOX: '_INBOX.super' };
  const supervised = startSupervised(['--id', 'super', '--agents', 'a2', '--heartbeat', '0.2', '--', 'sleep', '1000'], env);
  try {
    await expect.poll(supervised.output, WITHIN).toContain('all are started');
    process.kill(supervised.pid('a2'), 'SIGKILL');
    await expect.poll(() => supervised.starts('a2'), WITHIN).toBe(2);
    expect(await supervised.stop()).toBe(0);
    expect(supervised.output()).not.toContain('refuses');
  } finally {
    supervised.child.kill('SIGKILL');
  }
});

test('a task is assigned to it, done, and its end is heard by whoever asked for it', async () => {
  const done = await collect(coordinator, 'coordination.tasks.done.t1');
  worker.subscribe('coordination.tasks.assignment.a1', {
    callback: (_, msg) => {
      const { task_id, attempt } = msg.json<{ task_id: string; attempt: number }>();
      for (const status of ['accepted', 'completed'])
        worker.publish(`coordination.tasks.status.${task_id}`, JSON.stringify({ agent_id: 'a1', attempt, status, result: 42 }));
    },
  });
  await worker.flush();
  await publish(coordinator, 'coordination.tasks.assignment', { task_id: 't1', requirements: { capabilities: ['parse'] } });
  await expect.poll(() => done.map(({ body }) => body), WITHIN).toMatchObject([{ outcome: 'completed', result: 42 }]);
});

test('a scatter is gathered', async () => {
  const complete = await collect(coordinator, 'gather.r1.complete');
  worker.subscribe('scatter.*.task', { callback: () => worker.publish('gather.r1.result', '{"agent_id":"a1","result":"x"}') });
  await worker.flush();
  await publish(coordinator, 'scatter.r1.task', { request_id: 'r1', min_responses: 1, timeout_ms: 5000, payload: {} });
  await expect.poll(() => complete.map(({ body }) => body), WITHIN).toMatchObject([{ status: 'complete', count: 1 }]);
});

test('an agent takes queued work of its own domain, from another account and server, and what it has done is gone', async () => {
  for (const body of ['first', 'second']) await jetstream(coordinator).publish('work.nlp.high.parse', body);
  const take = () =>
    worker.request('$JS.API.CONSUMER.MSG.NEXT.WORK_QUEUE.work-nlp-high', '{"batch":1,"no_wait":true}', { timeout: 5000, noMux: true });
  const [first, second] = [await take(), await take()];
  expect([first.subject, first.string(), second.string(), (await take()).headers?.code]).toEqual([
    'work.nlp.high.parse',
    'first',
    'second',
    404,
  ]);
  for (const message of [first, second]) await worker.request(message.reply as string, '+ACK', { timeout: 5000 });
  const queues = async () => (await ask(operator, 'control.bridge.list')).queues as { queue: string }[];
  const high = (await queues()).find(({ queue }) => queue === 'work-nlp-high');
  expect(high).toEqual({ queue: 'work-nlp-high', domain: 'nlp', priority: 'high', pending: 0, unsettled: 0, oldest_age_seconds: 0 });
});

test('a domain without queues gets them from the bridge when it has work', async () => {
  await jetstream(coordinator).publish('work.vision.low.ocr', 'a job');
  const queues = async () => ((await ask(operator, 'control.bridge.list')).queues as { queue: string }[]).map(({ queue }) => queue);
  await expect.poll(queues, WITHIN).toContain('work-vision-low');
});

test('an operator commands it across accounts and servers, and hears at once where there is none', async () => {
  worker.subscribe('agent.a1.cmd.*', { callback: (_, msg) => void msg.respond('{"status":"ok"}') });
  await worker.flush();
  await expect.poll(() => ask(operator, 'agent.a1.cmd.status').catch(String), WITHIN).toEqual({ status: 'ok' });
  await expect(operator.request('agent.nobody.cmd.status', '', { timeout: 5000 })).rejects.toThrow('no responders');
});

test('a coordinator of its domain commands it and others, and hears who answered and who is missing', async () => {
  const to = { agent_ids: ['a1', 'gone'] };
  const answer = await ask(coordinator, 'control.command.send', { command: 'status', to, timeout_ms: 2000, by: 'coord' });
  expect(answer).toMatchObject({ answered: [{ agent_id: 'a1', response: { status: 'ok' } }], missing: ['gone'] });
});

test('an unreadable message is a dead letter that an operator finds', async () => {
  await publish(worker, 'supervision.failures.low', { agent_id: 'no token' });
  const givenUp = async () => {
    const { letters } = await ask(operator, 'control.dlq.list', { subject: 'supervision.failures.low' });
    return (letters as { function: string }[]).map((letter) => letter.function).sort();
  };
  await expect.poll(givenUp, WITHIN).toEqual(['failure-handler', 'pattern-detector', 'task-assignment']);
});

test('the bridge answers an operator about its bindings, with every stream on three servers', async () => {
  const { bindings } = (await ask(operator, 'control.bridge.list')) as { bindings: { problem?: string }[] };
  expect(bindings.length).toBeGreaterThan(10);
  expect(bindings.flatMap(({ problem }) => problem ?? [])).toEqual([]);
  const { cluster: where } = await (await jetstreamManager(operator)).streams.info('SUPERVISION_EVENTS');
  expect(where?.replicas).toHaveLength(2);
});

test('a client without a certificate is refused', async () => {
  await expect(cluster.connectAs('operator', { certificate: false })).rejects.toThrow();
  await expect(cluster.connectAs('operator').then((connection) => connection.close())).resolves.toBeUndefined();
});

test('who has no certificate is told so, and does not wait for ever', async () => {
  const address = { url: cluster.url, ca: cluster.certificates.ca, creds: join(cluster.folder, 'bridge.creds'), name: 'bare' };
  await expect(connectTo(address)).rejects.toThrow(/cannot be used .*NATS_CERT/);
}, 25_000);
