import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { queueConsumer, queuesOf } from '#infra/bridge/queues/work-queue.ts';
import { setupNats, type TestNats } from '#test/support/nats.ts';
import { configuredNats } from '#test/support/nats-with.ts';

describe('npm run -s nats', () => {
  let nats: TestNats;

  beforeAll(async () => {
    nats = await setupNats({ streams: true });
  });
  afterAll(() => nats.stop());

  const startWith = (env: Record<string, string>, ...args: string[]) =>
    spawn(process.execPath, ['infra/local/nats-cli.ts', ...args], { env: { ...process.env, NATS_URL: nats.url, ...env } });
  const start = (...args: string[]) => startWith({}, ...args);
  const run = async (args: string[], input = '', env: Record<string, string> = {}) => {
    const child = startWith(env, ...args);
    child.stdin.end(input);
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    return [out + err, code];
  };

  it('pub says which stream has it, once for an id', async () => {
    const args = ['pub', 'supervision.failures.high', '{}', '-H', 'Nats-Msg-Id: f1'];
    expect(await run(args)).toEqual(['stored in SUPERVISION_EVENTS as 1\n', 0]);
    expect(await run(args)).toEqual(['already in SUPERVISION_EVENTS as 1: it has the same Nats-Msg-Id\n', 0]);
  });

  it('pub says when no stream has it; sub prints a line a message', async () => {
    const subscriber = start('sub', 'agent.*.heartbeat', '--count', '2');
    await new Promise((resolve) => subscriber.stderr.once('data', resolve));
    expect(await run(['pub', 'agent.a1.heartbeat', '-'], '{"agent_id":"a1"}')).toEqual([
      'sent to whoever listens on agent.a1.heartbeat: no stream stores it\n',
      0,
    ]);
    nats.connection.publish('agent.a2.heartbeat', 'two\nlines');
    expect(await text(subscriber.stdout)).toBe('agent.a1.heartbeat {"agent_id":"a1"}\nagent.a2.heartbeat "two\\nlines"\n');
  });

  it('pub says so where the user may not ask which stream has it; NATS_INBOX is where it hears answers', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mistersmith-cli-'));
    const server = await configuredNats(folder);
    const user = '{ user: a, password: b, permissions: { publish: "alerts.>", subscribe: "_INBOX.a.>" } }';
    await server.start(`jetstream { store_dir: "${folder}" }\nauthorization { users: [${user}] }`);
    const env = { NATS_URL: server.url, NATS_USER: 'a', NATS_PASSWORD: 'b' };
    const said = ['sent on alerts.low; whether a stream stores it this user may not ask\n', 0];
    expect(await run(['pub', 'alerts.low'], '', env)).toEqual(said);
    expect(await run(['req', 'alerts.low'], '', { ...env, NATS_INBOX: '_INBOX.a' })).toEqual([
      'nobody answers requests on alerts.low\n',
      1,
    ]);
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('req prints the answer, or a sentence where there is none', async () => {
    nats.connection.subscribe('echo', {
      callback: (_, message) => void message.respond(`${message.headers?.get('x')} ${message.string()}`),
    });
    nats.connection.subscribe('silent', { callback: () => {} });
    await nats.connection.flush();
    expect(await run(['req', 'echo', 'hello', '-H', 'x:y'])).toEqual(['y hello\n', 0]);
    expect(await run(['req', 'silent', '--timeout', '100'])).toEqual(['no answer on silent within 100 ms\n', 1]);
    expect(await run(['req', 'nobody'])).toEqual(['nobody answers requests on nobody\n', 1]);
  });

  it('work takes what is queued for a domain, and what it has printed is done', async () => {
    const manager = await jetstreamManager(nats.connection);
    for (const queue of queuesOf('nlp')) await manager.consumers.add('WORK_QUEUE', queueConsumer(queue));
    await jetstream(nats.connection).publish('work.nlp.low.parse', 'a job');
    expect(await run(['work', 'nlp', '--count', '1'])).toEqual(['work.nlp.low.parse a job\ntaking work of nlp\n', 0]);
    expect((await manager.streams.info('WORK_QUEUE')).state.messages).toBe(0);
  });

  it.each([
    [[], /^say pub, sub, req or work: npm run -s nats -- --help shows how$/m],
    [['pub', 'agent.*.cmd.pause'], /has the wildcard "\*", which reaches nobody in a publish/],
    [['publish', 'a'], /^publish is not pub, sub, req or work/],
    [['pub'], /^pub needs a subject/],
    [['work'], /^work needs a domain/],
    [['pub', 'a', 'two', 'words'], /^there are 1 arguments too many/],
    [['sub', 'a', '--count', '0'], /^--count 0 is not a number above 0/],
    [['pub', 'a', '', '-H', 'x'], /^-H x is not name:value/],
  ])('%j ends in one sentence', async (args, sentence) => {
    const [said, code] = await run(args);
    expect(said).toMatch(sentence);
    expect(String(said).trim().split('\n')).toHaveLength(1);
    expect(code).toBe(1);
  });
});
