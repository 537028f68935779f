/**
 * `npm run supervise` with real processes and a real nats-server, without the control plane: it starts them in order, tells of those
 * that die, obeys orders once, and leaves nothing behind.
 */
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { failure } from '#shared/messages/supervision.ts';
import { type Cable, layCable } from '#test/support/cable.ts';
import { setupNats, type TestNats } from '#test/support/nats.ts';
import { collect } from '#test/support/stack.ts';
import { isAlive, type Supervised, startSupervised } from '#test/support/supervised.ts';

const WITHIN = { timeout: 10_000, interval: 20 };
const AGENT = ['--', process.execPath, 'test/support/node-agent.ts'];

let nats: TestNats;
beforeAll(async () => {
  nats = await setupNats({ streams: true });
});
afterAll(() => nats.stop());

let number = 0;
/** Each test has a supervisor of its own: streams remember. */
let id: string;
let supervised: Supervised | undefined;
let seen: Awaited<ReturnType<typeof collect>>;
let observer: Awaited<ReturnType<typeof connect>>;
beforeEach(async () => {
  id = `s${++number}`;
  observer = await connect({ servers: nats.url });
  seen = await collect(observer, '*.>');
});
afterEach(async () => {
  const { child, exited } = supervised ?? {};
  child?.kill('SIGKILL');
  await exited;
  await observer.close();
});

const start = async (options: string[], env: Record<string, string> = {}, command = AGENT): Promise<Supervised> => {
  supervised = startSupervised(['--id', id, ...options, ...command], { NATS_URL: nats.url, ...env });
  return supervised;
};
/** With all its agents ready. */
const startAll = async (...args: Parameters<typeof start>): Promise<Supervised> => {
  const started = await start(...args);
  await expect.poll(started.output, WITHIN).toContain('all are started');
  return started;
};
const order = async (body: object) => void (await jetstream(nats.connection).publish(`supervisor.${id}.cmd.restart`, JSON.stringify(body)));
const bodies = (subject: RegExp) => seen.filter((one) => subject.test(one.subject)).map(({ body }) => body as Record<string, unknown>);
const events = () => bodies(/^supervisor\..*\.events$/).map(({ event_type, affected_agents }) => [event_type, affected_agents]);
const failures = () => bodies(/^supervision\.failures\./);
const life = (agentId: string) =>
  seen.flatMap(({ subject }) => (subject.startsWith(`agent.${agentId}.`) && !subject.endsWith('heartbeat') ? subject.split('.')[2] : []));

test('it says who its children are, then starts them in order, each when the one before is ready', async () => {
  await startAll(['--agents', 'a1,a2', '--strategy', 'rest_for_one'], { READY_AFTER_MS: '200' });
  expect(
    seen.filter(({ subject }) => !subject.startsWith('$') && !/INBOX|heartbeat|started/.test(subject)).map(({ subject }) => subject),
  ).toEqual([`supervisor.${id}.events`, ...['agent.a1.created', 'agent.a1.ready', 'agent.a2.created', 'agent.a2.ready']]);
  expect(bodies(/^supervisor\./)).toEqual([
    {
      ...{ type: 'supervisor_lifecycle', supervisor_id: id, event_type: 'started', strategy: 'rest_for_one' },
      children: [{ id: 'a1' }, { id: 'a2' }],
    },
  ]);
});

describe('an agent that dies', () => {
  it('by a signal is told as one failure, with what is known of it, and is not restarted', async () => {
    const { pid, starts } = await startAll(['--agents', 'a1,a2']);
    process.kill(pid('a1'), 'SIGKILL');
    await expect.poll(failures, WITHIN).toHaveLength(1);
    const { context, ...said } = failure.body.parse(failures()[0]);
    expect(said).toMatchObject({
      event_id: expect.stringMatching(/^crash-a1-/),
      agent_id: 'a1',
      failure_type: 'process_crash',
      severity: 'high',
    });
    expect(context).toMatchObject({ supervisor_id: id, signal: 'SIGKILL', exit_code: null, uptime_ms: expect.any(Number) });
    expect([starts('a1'), starts('a2'), isAlive(pid('a2'))]).toEqual([1, 1, true]);
  });

  it('before it is ready is told with its exit code and its last words', async () => {
    await start([], { EXIT_AT_START: '3' });
    await expect.poll(failures, WITHIN).toMatchObject([{ agent_id: `${id}-1`, context: { exit_code: 3, stderr: 'there is no model' } }]);
  });

  it('with exit code 0 is told as stopped, and as no failure', async () => {
    await startAll(['--agents', 'a1']);
    nats.connection.publish('agent.a1.cmd.execute', '{"exit": 0}');
    await expect.poll(() => bodies(/^agent\.a1\.stopped/), WITHIN).toMatchObject([{ agent_id: 'a1', reason: 'normal' }]);
    expect(failures()).toEqual([]);
  });
});

describe('an order to restart', () => {
  const crashed = async () => {
    const running = await startAll(['--agents', 'a1,a2', '--shutdown-ms', '300']);
    process.kill(running.pid('a1'), 'SIGKILL');
    await expect.poll(failures, WITHIN).toHaveLength(1);
    return running;
  };
  const known = { tasks: [{ task_id: 't1' }], snapshot: { done: 7 } };

  it('is obeyed once, however often it comes, and hands over what was last known', async () => {
    const { starts, output } = await crashed();
    const restart = { agent_ids: ['a1'], recovery_id: 'r1', attempt: 1, last_known: { a1: known } };
    for (let n = 0; n < 3; n++) await order(restart);
    const handed = () => /RESTARTS":"1","LAST_KNOWN":(".*")}/.exec(output())?.[1] ?? '""';
    await expect.poll(handed, WITHIN).toBe(JSON.stringify(JSON.stringify(known)));
    await order({ ...restart, attempt: 2 });
    await expect.poll(() => starts('a1'), WITHIN).toBe(3);
    expect([output().match(/told to restart a1/g), starts('a2')]).toEqual([['told to restart a1', 'told to restart a1'], 1]);
  });

  it('hands over in a file what is large', async () => {
    const { output } = await crashed();
    await order({ agent_ids: ['a1'], recovery_id: 'r1', last_known: { a1: { snapshot: 'x'.repeat(50_000) } } });
    await expect.poll(output, WITHIN).toMatch(/LAST_KNOWN_FILE":"[^"]+last-known.json"/);
  });

  it('of an agent that runs stops it first; its end is no failure', async () => {
    const { pid, starts } = await startAll(['--agents', 'a1']);
    const before = pid('a1');
    await order({ agent_ids: ['a1'], recovery_id: 'r1', attempt: 1 });
    await expect.poll(() => starts('a1'), WITHIN).toBe(2);
    expect([isAlive(before), failures()]).toEqual([false, []]);
  });

  it('of one that hears no SIGTERM, or is stopped by SIGSTOP, kills it after its time', async () => {
    const { pid, output } = await startAll(['--agents', 'a1'], { DEAF: '1' });
    process.kill(pid('a1'), 'SIGSTOP');
    await order({ agent_ids: ['a1'], recovery_id: 'r1', attempt: 1, shutdown_ms: 100 });
    await expect.poll(output, WITHIN).toMatch(/a1 was killed by SIGKILL[\s\S]*a1 started[\s\S]*a1 is ready/);
    expect(failures()).toEqual([]);
  });

  it('that fails is answered, and the death in it is not another failure', async () => {
    await start(['--agents', 'a1'], { EXIT_AT_START: '3' });
    await expect.poll(failures, WITHIN).toHaveLength(1);
    await order({ agent_ids: ['a1'], recovery_id: 'r1', attempt: 2 });
    await expect
      .poll(() => bodies(/\.events$/).at(-1), WITHIN)
      .toEqual({
        ...{ type: 'supervisor_lifecycle', supervisor_id: id, event_type: 'restart_failed', affected_agents: ['a1'] },
        ...{ reason: 'it ended with exit code 3 before it was ready', attempt: 2, recovery_id: 'r1' },
      });
    expect(failures()).toHaveLength(1);
  });

  it('of an agent that it does not have is refused with a sentence', async () => {
    await startAll(['--agents', 'a1,a2']);
    await order({ agent_ids: ['b1'], recovery_id: 'r1', attempt: 1 });
    const refusal = { event_type: 'restart_failed', affected_agents: ['b1'], reason: `supervisor ${id} has no agent b1: it has a1, a2` };
    await expect.poll(() => bodies(/\.events$/).at(-1), WITHIN).toMatchObject(refusal);
  });
});

describe('while NATS is away', () => {
  let cable: Cable;
  beforeEach(async () => {
    cable = await layCable(nats.port);
  });
  afterEach(() => cable.cut());

  it('deaths are kept and told later, and an order that it missed is obeyed then; one from before it started is not', async () => {
    await order({ agent_ids: ['a2'], recovery_id: 'r0', attempt: 1 });
    const { pid, output, starts } = await startAll(['--agents', 'a1,a2'], { NATS_URL: `nats://127.0.0.1:${cable.port}` });
    await cable.cut();
    await expect.poll(output, WITHIN).toContain('is lost');
    await cable.mend();
    await expect.poll(output, WITHIN).toContain('again');
    await cable.cut();
    process.kill(pid('a1'), 'SIGKILL');
    await expect.poll(output, WITHIN).toContain('a1 was killed');
    await order({ agent_ids: ['a1'], recovery_id: 'r1', attempt: 1 });
    await cable.mend();
    await expect.poll(failures, WITHIN).toHaveLength(1);
    await expect.poll(() => [starts('a1'), starts('a2')], WITHIN).toEqual([2, 1]);
  });
});

describe('it ends', () => {
  it('at SIGTERM, its agents in reverse order, and says so', async () => {
    const { stop, output } = await startAll(['--agents', 'a1,a2,a3']);
    expect(await stop()).toBe(0);
    expect([...output().matchAll(/(a\d) ended/g)].map(([, agent]) => agent)).toEqual(['a3', 'a2', 'a1']);
    await expect.poll(events, WITHIN).toEqual([
      ['started', undefined],
      ['stopped', ['a1', 'a2', 'a3']],
    ]);
    expect([life('a1'), failures()]).toEqual([['created', 'started', 'ready', 'stopped'], []]);
  });

  it('at once at a second signal', async () => {
    const { child, pid, output, exited } = await startAll(['--agents', 'a1', '--shutdown-ms', '60000'], { DEAF: '1' });
    child.kill('SIGTERM');
    await expect.poll(output, WITHIN).toContain('hears nothing');
    await expect.poll(() => child.kill('SIGINT') && child.exitCode, WITHIN).not.toBe(null);
    expect(await exited).toBe(1);
    await expect.poll(() => isAlive(pid('a1')), WITHIN).toBe(false);
  });

  it('by kill -9: its agents die with it, and what they started', async () => {
    const shell = ['--heartbeat', '1', '--', 'sh', '-c', 'sleep 1000 & echo child $!; wait'];
    const { child, pid, output } = await startAll(['--agents', 'a1'], {}, shell);
    await expect.poll(output, WITHIN).toMatch(/child \d+/);
    const all = [pid('a1'), Number(/child (\d+)/.exec(output())?.[1])];
    expect(all.map(isAlive)).toEqual([true, true]);
    child.kill('SIGKILL');
    await expect.poll(() => all.map(isAlive), WITHIN).toEqual([false, false]);
  });
});

test('--heartbeat speaks for a command that does not speak NATS, as long as it runs', async () => {
  const { pid } = await startAll(['--agents', 'a1', '--domain', 'nlp', '--heartbeat', '0.05'], {}, ['--', 'sleep', '1000']);
  const beats = () => bodies(/^agent\.a1\.heartbeat/).length;
  await expect.poll(beats, WITHIN).toBeGreaterThan(3);
  expect([life('a1'), bodies(/^agent\.a1\.created/)]).toEqual([
    ['created', 'started', 'ready'],
    [{ agent_id: 'a1', instance_id: expect.any(String), supervisor: id, domain: 'nlp' }],
  ]);
  process.kill(pid('a1'), 'SIGSTOP');
  // Silent for ten of its intervals.
  const silent = async () => {
    const before = beats();
    await new Promise((resolve) => setTimeout(resolve, 500));
    return beats() - before;
  };
  await expect.poll(silent, WITHIN).toBe(0);
});

test('without a NATS server it waits, and says so', async () => {
  const { output, stop } = await start(['--agents', 'a1'], { NATS_URL: 'nats://127.0.0.1:9' });
  await expect.poll(output, WITHIN).toContain('waiting for NATS: the NATS server at nats://127.0.0.1:9 cannot be used');
  expect(await stop()).toBe(0);
});

test('a mistake is one sentence', async () => {
  const { output, exited } = await start(['--strategy', 'all']);
  expect([await exited, output()]).toEqual([
    1,
    '--strategy: must be one of one_for_one, rest_for_one, one_for_all, not "all": see npm run supervise -- --help\n',
  ]);
});
