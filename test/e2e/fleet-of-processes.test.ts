/**
 * Supervision end to end: `npm run supervise` with a fleet of real processes, Python and Node, and the whole product. They are
 * killed, stopped, made to exit, slowed and cut off; each is seen, restarted once, and reported, and no other one is disturbed.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest';
import { type Cable, layCable } from '#test/support/cable.ts';
import { pythonWithNats } from '#test/support/python.ts';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';
import { type Supervised, startSupervised } from '#test/support/supervised.ts';

const WITHIN = { timeout: 45_000, interval: 50 };
const PATIENCE = 120_000;

/** `cut` reaches NATS over a cable of its own. */
const AGENTS = ['p1', 'p2', 'n1', 'n2', 'n3', 'cut'];

let stack: Stack;
let cable: Cable;
let folder: string;
let fleet: Supervised;
/** What supervisors say and are told. */
let seen: Awaited<ReturnType<typeof collect>>;
let beats: Awaited<ReturnType<typeof collect>>;

beforeAll(async () => {
  let python: string;
  // Attempts that are to fail need not take long.
  [stack, python, folder] = await Promise.all([
    setupStack({ RECOVERY_ATTEMPT_MS: '5000' }),
    pythonWithNats(),
    mkdtemp(join(tmpdir(), 'mistersmith-fleet-')),
  ]);
  cable = await layCable(Number(new URL(stack.url).port));
  [seen, beats] = await Promise.all([collect(stack.nc, 'supervisor.>'), collect(stack.nc, 'agent.*.heartbeat')]);
  const inPython = (id: string, capability: string) => ({
    id,
    command: [python, 'test/python/worker.py', '--heartbeat', '0.2', '--capability', capability],
  });
  const inNode = (id: string, env: Record<string, string> = {}) => ({ id, command: [process.execPath, 'test/support/node-agent.ts'], env });
  const agents = [
    ...[inPython('p1', 'count'), inPython('p2', 'echo'), inNode('n1'), inNode('n2'), inNode('n3')],
    inNode('cut', { NATS_URL: `nats://127.0.0.1:${cable.port}` }),
  ];
  // JSON is YAML. What this test breaks in a minute is more than a fleet should bear.
  await writeFile(join(folder, 'fleet.yml'), JSON.stringify({ strategy: 'one_for_one', intensity: 50, agents }));
  fleet = startSupervised(['--id', 's1', '--file', join(folder, 'fleet.yml')], { NATS_URL: stack.url });
  await vi.waitFor(() => expect(fleet.output()).toContain('all are started: 6 agents'), WITHIN);
}, PATIENCE);
afterAll(async () => {
  await fleet.stop();
  await cable.cut();
  await Promise.all([stack.stop(), rm(folder, { recursive: true })]);
});

const said = (supervisorId: string, what: string, agentId: string): number =>
  seen.filter(({ subject, body }) => {
    const { event_type, affected_agents, agent_ids } = body as Record<string, string[] | string | undefined>;
    const kind = subject.endsWith('.cmd.restart') ? 'restart' : event_type;
    return subject.startsWith(`supervisor.${supervisorId}.`) && kind === what && (affected_agents ?? agent_ids)?.includes(agentId);
  }).length;

const startsOf = (ids: readonly string[], of: Supervised = fleet) => Object.fromEntries(ids.map((id) => [id, of.starts(id)]));

/** An agent is restarted once and reported as recovered, and nobody else is started again. */
const expectOneRestart = async (agentId: string, before: Record<string, number>, reports: number): Promise<void> => {
  await expect.poll(() => said('s1', 'recovered', agentId), WITHIN).toBe(reports + 1);
  expect(startsOf(AGENTS)).toEqual({ ...before, [agentId]: (before[agentId] ?? 0) + 1 });
};

/** The rhythm of an agent has to be known before its silence can be judged. */
const untilKnown = async (agentId: string): Promise<void> => {
  const heard = () => beats.filter(({ subject }) => subject === `agent.${agentId}.heartbeat`).length;
  const before = heard();
  await expect.poll(heard, WITHIN).toBeGreaterThan(before + 15);
};

const injure = async (agentId: string, how: () => void | Promise<void>): Promise<void> => {
  const [before, reports] = [startsOf(AGENTS), said('s1', 'recovered', agentId)];
  await untilKnown(agentId);
  await how();
  await expectOneRestart(agentId, before, reports);
};

describe('one_for_one: seen, restarted once, reported, and nobody else is disturbed', () => {
  it.each(['p1', 'n1'])('%s, killed with -9', (id) => injure(id, () => void process.kill(fleet.pid(id), 'SIGKILL')), PATIENCE);

  it.each(['p2', 'n2'])('%s, stopped with SIGSTOP', (id) => injure(id, () => void process.kill(fleet.pid(id), 'SIGSTOP')), PATIENCE);

  it.each([3, 0])(
    'n3, which exits with code %i',
    (exit) => injure('n3', () => stack.nc.publish('agent.n3.cmd.execute', `{"exit": ${exit}}`)),
    PATIENCE,
  );
});

test(
  'an agent that is slowed is asked, answers, and is left alone',
  async () => {
    const before = startsOf(AGENTS);
    const answers = await collect(stack.nc, 'health.answer.n2');
    stack.nc.publish('agent.n2.cmd.config', '{"heartbeat_ms": 600000}');
    await expect.poll(() => answers.length, WITHIN).toBeGreaterThan(1);
    stack.nc.publish('agent.n2.cmd.config', '{"heartbeat_ms": 200}');
    expect([startsOf(AGENTS), said('s1', 'recovering', 'n2')]).toEqual([before, 1]);
  },
  PATIENCE,
);

test(
  'an agent that is cut off comes back when the partition is over, whatever attempts failed meanwhile',
  async () => {
    const { cut: _, ...before } = startsOf(AGENTS);
    await untilKnown('cut');
    await cable.cut();
    await expect.poll(() => said('s1', 'restart_failed', 'cut'), WITHIN).toBeGreaterThan(0);
    await cable.mend();
    await expect.poll(() => said('s1', 'recovered', 'cut'), WITHIN).toBe(1);
    expect(startsOf(AGENTS)).toMatchObject(before);
  },
  PATIENCE,
);

test(
  'a supervisor that is cut off together with its agents obeys when it is back',
  async () => {
    const before = startsOf(AGENTS);
    const options = ['--id', 's3', '--agents', 'c1,c2', '--intensity', '50', '--', process.execPath, 'test/support/node-agent.ts'];
    const remote = startSupervised(options, { NATS_URL: `nats://127.0.0.1:${cable.port}` });
    try {
      await untilKnown('c2');
      await cable.cut();
      await expect.poll(() => ['c1', 'c2'].map((id) => said('s3', 'restart', id) > 0), WITHIN).toEqual([true, true]);
      await cable.mend();
      await expect.poll(() => ['c1', 'c2'].map((id) => said('s3', 'recovered', id)), WITHIN).toEqual([1, 1]);
      expect(startsOf(AGENTS)).toMatchObject({ ...before, cut: expect.any(Number) });
    } finally {
      await remote.stop();
    }
  },
  PATIENCE,
);

test(
  'what an agent remembers is handed to its next run',
  async () => {
    const done = await collect(stack.nc, 'coordination.tasks.done.counted');
    await stack.publish('coordination.tasks.assignment', { task_id: 'counted', requirements: { capabilities: ['count'] } });
    await expect.poll(() => done.map(({ body }) => body), WITHIN).toMatchObject([{ outcome: 'completed' }]);
    await injure('p1', () => void process.kill(fleet.pid('p1'), 'SIGKILL'));
    expect(
      fleet
        .output()
        .match(/p1 \| starts as .*/g)
        ?.at(-1),
    ).toBe('p1 | starts as p1 and has done 1 tasks before');
  },
  PATIENCE,
);

test(
  'rest_for_one: those that were started later are stopped and come back after it, in order; the first is left alone',
  async () => {
    const options = [
      '--id',
      's2',
      '--agents',
      'r1,r2,r3',
      '--strategy',
      'rest_for_one',
      '--',
      process.execPath,
      'test/support/node-agent.ts',
    ];
    const rest = startSupervised(options, { NATS_URL: stack.url });
    try {
      await expect.poll(rest.output, WITHIN).toContain('all are started');
      process.kill(rest.pid('r2'), 'SIGKILL');
      await expect.poll(() => said('s2', 'recovered', 'r2'), WITHIN).toBe(1);
      expect(startsOf(['r1', 'r2', 'r3'], rest)).toEqual({ r1: 1, r2: 2, r3: 2 });
      expect([...rest.output().matchAll(/s2: (r\d) is ready/g)].map(([, id]) => id)).toEqual(['r1', 'r2', 'r3', 'r2', 'r3']);
    } finally {
      await rest.stop();
    }
  },
  PATIENCE,
);
