/**
 * A fleet that is not ours: test/python/fleet, written from documents 002 and 004 alone, against the whole stack. It says what
 * it saw; what that has to be stands here.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PYTHON_ENV, playScenario, pythonWithNats } from '#test/support/python.ts';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 10_000, interval: 20 };

let stack: Stack;
let python: string;
let buried: Awaited<ReturnType<typeof collect>>;
beforeAll(async () => {
  [stack, python] = await Promise.all([setupStack(), pythonWithNats()]);
  buried = await collect(stack.nc, 'dlq.>');
}, 120_000);
afterAll(() => stack.stop());

const play = (scenario: string) => playScenario(python, stack.url, scenario);

/** How many each member of a queue group got: everybody some, together all. */
const sum = (shares: number[]) => shares.reduce((all, share) => all + share, 0);

test('agents are found, mirrored, checked, commanded, followed into error and to their end', async () => {
  const state = {
    agent_id: 'nlp-worker-001',
    capabilities: ['sentiment', 'ner'],
    last_heartbeat: expect.stringMatching(/Z$/),
    metadata: {},
  };
  const health = { agent_id: 'nlp-worker-001', status: 'ready', uptime_seconds: expect.any(Number), current_load: 0, last_error: null };
  const all = ['nlp-worker-001', 'nlp-worker-002', 'nlp-worker-003'];
  expect(await play('agents')).toEqual({
    found: all,
    state: { ...state, status: 'ready', current_load: 0 },
    health: { ...health, capabilities: state.capabilities },
    health_of_all: all,
    status: expect.objectContaining({ agent_id: 'nlp-worker-001', status: 'ready', capabilities: ['sentiment', 'ner'] }),
    executed: { status: 'ok', result: { echo: 'hello' }, command_id: 'c-1' },
    configured: { status: 'ok', config: { batch_size: 8 } },
    no_command: expect.stringMatching(/^explode is no command/),
    responses: ['pause', 'resume', 'status'].map((verb) => [`agent.nlp-worker-001.resp.${verb}`, `${verb}-1`]),
    busy: { ...state, status: 'busy', current_load: 1 },
    paused: expect.objectContaining({ agent_id: 'nlp-worker-002', status: 'paused' }),
    resumed: expect.objectContaining({ agent_id: 'nlp-worker-002', status: 'ready' }),
    in_error: expect.objectContaining({ agent_id: 'nlp-worker-003', status: 'error' }),
    unhealthy: expect.objectContaining({ agent_id: 'nlp-worker-003', state: 'active', healthy: false }),
    shutdown: { status: 'ok', command_id: 'bye-1' },
    stopped: expect.objectContaining({ agent_id: 'nlp-worker-002', state: 'terminated', reason: 'shutdown' }),
    gone: null,
  });
});

test('work is shared by a queue group; what fails is retried, buried, and replayed by an operator', async () => {
  const { balanced, while_paused, ...rest } = (await play('work')) as Record<string, { shares: number[] }>;
  expect(balanced).toEqual({ shares: expect.any(Array), tasks: 60 });
  expect([sum(balanced?.shares ?? []), Math.min(...(balanced?.shares ?? [])) > 0]).toEqual([60, true]);
  expect([while_paused?.shares[0], sum(while_paused?.shares ?? [])]).toEqual([0, 60]);
  expect(rest).toEqual({
    correlated: true,
    buried: [['???', '3']],
    kept: [['work.nlp.normal.broken', 'open']],
    replayed: [['???', '4']],
  });
});

test('documents pass the stages of a pipeline, each stage once', async () => {
  const documents = ['doc0', 'doc1', 'doc2', 'doc3', 'doc4'];
  expect(await play('pipeline')).toEqual({
    runs: { extract: 5, preprocess: 5, analyze: 5, summarize: 5 },
    complete: documents.map((doc) => [`pipeline.${doc}.complete`, `${doc} > extract > preprocess > analyze > summarize`]),
    path: ['01.extract', '02.preprocess', '03.analyze', '04.summarize', 'complete'].map((stage) => `pipeline.doc0.${stage}`),
    followed: ['extract', 'preprocess', 'analyze', 'summarize'].map((stage, n) => [`0${n + 1}.${stage}`, 'complete', stage]),
  });
});

test('a scatter is gathered by the aggregator, or by a coordinator that it leaves alone', async () => {
  const raw = [1, 2, 3].map((n) => `raw ${n}`);
  const answer = { request_id: expect.any(String), count: 3 };
  const responses = expect.toSatisfy((all: { agent_id: string }[]) => all.every(({ agent_id }) => /^scatter-[123]$/.test(agent_id)));
  expect(await play('gather')).toEqual({
    alone: raw,
    aggregated: { ...answer, status: 'complete', responses },
    too_few: { ...answer, status: 'timed_out', responses },
    undisturbed: ['completed'],
    no_page: { error: expect.stringMatching(/^no gather req-\w+ was answered in pages/) },
  });
});

test('a crashed agent is recovered by its supervisor; a critical failure is also escalated until it is ready again', async () => {
  const refused = ['created', 'started'].map((event) => `agent nameless-001 is active: "${event}" is refused there and its state stays`);
  expect(await play('supervised')).toEqual({
    children: [['fragile-001', true]],
    orders: [expect.objectContaining({ agent_ids: ['fragile-001'], attempt: 1 })],
    restarted: expect.objectContaining({ agent_id: 'fragile-001', state: 'active', instance_id: 'run-2', healthy: true }),
    escalations: 0,
    escalated: [['fragile-001', 'keeper-001']],
    alerted: ['alerts.critical'],
    resolved: ['the escalation of agent fragile-001 is resolved by fragile-001: the agent is ready again'],
    still_open: false,
    restart_without_instance: refused,
    still_active: true,
  });
});

test('agents hear circuits, metrics and broadcasts of each other; one of two candidates leads, until it resigns', async () => {
  const circuit = [
    ['circuit.nlp-service.open', 'nlp-service refuses'],
    ['circuit.nlp-service.half-open', 'time for a trial call'],
    ['circuit.nlp-service.closed', 'the trial call went well'],
  ];
  expect(await play('signals')).toEqual({
    not_called: false,
    circuit,
    circuit_of_the_fleet: ['open', 'half_open', 'closed'],
    metrics: [
      ['metrics.agent.nlp-001.cpu_usage', 0.42],
      ['metrics.agent.nlp-001.tasks_processed', 17],
      ['metrics.system.work_queue.depth', 3],
    ],
    leaders: 1,
    lost: false,
    follows: true,
    by_themselves: true,
    announced: true,
    broadcast: [['bert-2'], ['bert-2']],
  });
});

test('a task is assigned to an agent that can do it, and ends with what it answered', async () => {
  expect(await play('tasks')).toEqual({
    statuses: ['accepted', 'completed'],
    done: [{ task_id: expect.any(String), outcome: 'completed', attempts: 1, result: 42, duration_ms: expect.any(Number) }],
  });
});

test('the message bus of document 004 works beside it: eleven types, teams, requests, queues, heartbeats', async () => {
  const { queue, types, ...rest } = (await play('bus')) as Record<string, { shares: number[]; each_once: boolean }>;
  expect(types).toHaveLength(11);
  expect([queue?.each_once, sum(queue?.shares ?? []), Math.min(...(queue?.shares ?? [])) > 0]).toEqual([true, 60, true]);
  expect(rest).toEqual({
    to_nobody_in_particular: true,
    direct: [['parser-dev-001', 'question']],
    team: [{ at: 'noon' }],
    replies: ['task_model', 'parser'].map((resource) => ['resource_response', 'decomposer-001', { resource, status: 'ready' }]),
    nobody_there: 'no responders',
    heartbeat: { status: 'alive' },
  });
});

test("what the documents' own examples do where they slip", async () => {
  expect(await play('slips')).toEqual({
    three_tokens: { worked: ['work.slip.analysis'], kept: 'work.slip.analysis' },
    full: 'maximum messages per subject exceeded',
    wildcards: { commands: ['agent.wild-001.resp.status'], status: 'ready', checks: ['health.check.*'] },
    check_of_one: ['checked-001', 'checked-001', 'checked-002'],
    one_group: ['here'],
    dotted: [['dlq.gather.req.7.result', 'unrouted']],
  });
});

test("the README's agent runs: it is found, works, and ends when it is told to", async () => {
  const [, source = ''] = /```python\n(.*?)```/s.exec(await readFile('test/python/README.md', 'utf8')) ?? [];
  const agent = spawn(python, ['-c', source], { env: { ...PYTHON_ENV, NATS_URL: stack.url }, stdio: 'inherit' });
  const ended = once(agent, 'exit');
  const ask = async (subject: string, body: object) =>
    (await stack.nc.request(subject, JSON.stringify(body), { timeout: 5000 })).json<Record<string, unknown>>();
  await expect
    .poll(() => ask('agents.discovery.find', { capability: 'hello', healthy: true }), WITHIN)
    .toMatchObject({ agents: [{ agent_id: 'hello-001', domain: 'greeting' }] });
  const results = await collect(stack.nc, 'agent.hello-001.resp.*');
  await stack.publish('work.greeting.normal.hello', { task_id: 't-1', name: 'Ada' });
  await expect.poll(() => results.map(({ body }) => body), WITHIN).toEqual([{ result: 'hello Ada' }]);
  expect(await ask('agent.hello-001.cmd.shutdown', {})).toEqual({ agent_id: 'hello-001', status: 'ready' });
  expect(await ended).toEqual([0, null]);
});

/** Messages that some consumer still has to settle. Plain workers leave the queues of work as they are. */
const unsettled = async (): Promise<number> => {
  const manager = await jetstreamManager(stack.nc);
  let count = 0;
  for await (const { config } of manager.streams.list())
    if (config.name !== 'WORK_QUEUE')
      for await (const { num_pending, num_ack_pending } of manager.consumers.list(config.name)) count += num_pending + num_ack_pending;
  return count;
};

test('nothing of all this became a dead letter that should not', async () => {
  await expect.poll(unsettled, WITHIN).toBe(0);
  expect(buried.map(({ subject }) => subject)).toEqual(['dlq.work.nlp.normal.broken', 'dlq.gather.req.7.result']);
});
