/** `npm run deploy:local` and `npm run remove:local`, in the order in which a person lives through them. */

import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { access, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect as connectTcp, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { LambdaClient, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEPLOYMENT_SERVICES, startMinistack } from '#infra/local/ministack.ts';
import { ownEndpoint } from '#shared/own-endpoint.ts';
import { type LocalDeployment, localDeployment } from '#test/support/local-deployment.ts';
import { setupNats } from '#test/support/nats.ts';
import { configuredNats } from '#test/support/nats-with.ts';
import { collect } from '#test/support/stack.ts';

const SLOW = 180_000;
const WITHIN = { timeout: 20_000, interval: 100 };

let local: LocalDeployment;
beforeAll(async () => {
  local = await localDeployment();
}, SLOW);
afterAll(() => local.close(), SLOW);

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
const listening = () => Promise.all(Object.values(local.ports).map(listens));

const stateFile = () => join(local.service.folder, '.mistersmith/deployment/deployment.json');
const killHost = async () => process.kill(JSON.parse(await readFile(stateFile(), 'utf8')).pid, 'SIGKILL');

const findAgent = async () => (await local.nats('req', 'agents.discovery.resolve', '{"agent_id":"a1"}')).output;

describe('refuses in a sentence, and leaves nothing running', () => {
  test.each([
    ['a setting that is none', { MINISTACK_PORT: 'http' }, /^the environment is wrong: MINISTACK_PORT \("http"\): is not a port/],
    [
      'an address where nothing answers',
      { AWS_ENDPOINT_URL: 'http://127.0.0.1:9' },
      /^nothing answers at AWS_ENDPOINT_URL \(http:\/\/127\.0\.0\.1:9\)/,
    ],
    ['no Python', { PATH: '/nonexistent' }, /^MiniStack cannot be used \(python3 is not installed\): install Python 3/],
  ])('%s', async (_, env, sentence) => {
    const { code, output } = await local.deploy(env);
    expect(output.trimEnd().split('\n')).toEqual([expect.stringMatching(sentence)]);
    expect([code, await listening(), local.programs()]).toEqual([1, [false, false, false], []]);
  });
});

test.each([
  ['aws', /^port \d+ of 127\.0\.0\.1 is taken: .*AWS_ENDPOINT_URL.*MINISTACK_PORT/],
  ['nats', /^port \d+ of 127\.0\.0\.1 is taken: .*NATS_PORT/],
  ['http', /^port \d+ of 127\.0\.0\.1 is taken: .*HTTP_PORT/],
] as const)('a port for %s that is taken is told, and nothing is left running', async (which, sentence) => {
  const other = createServer().listen(local.ports[which], '127.0.0.1');
  await once(other, 'listening');
  const { code, output } = await local.deploy();
  other.close();
  expect([code, output]).toEqual([1, expect.stringMatching(new RegExp(sentence, 'm'))]);
  expect(await listening()).toEqual([false, false, false]);
});

test(
  'a NATS server without JetStream is refused before anything is deployed',
  async () => {
    const nats = await configuredNats(local.service.folder);
    await nats.start('');
    const { code, output } = await local.deploy({ NATS_URL: nats.url });
    await nats.stop();
    expect([code, output]).toEqual([1, expect.stringMatching(/has no JetStream for this account/)]);
    expect(await listening()).toEqual([false, false, false]);
  },
  SLOW,
);

test(
  'interrupted, it ends osls and all that it has started, and creates no streams',
  async () => {
    const nats = await setupNats();
    const { code, output } = await local.interruptedDeploy('osls is packaging', { NATS_URL: nats.url });
    expect([code, output]).toEqual([1, expect.stringMatching(/\nSIGTERM: not deployed\n$/)]);
    await expect.poll(() => local.programs(), WITHIN).toEqual([]);
    expect(await (await jetstreamManager(nats.connection)).streams.list().next()).toEqual([]);
    const left = (await readdir(join(local.service.folder, '.mistersmith'))).filter((name) => name.startsWith('osls-'));
    expect([left, await listening()]).toEqual([[], [false, false, false]]);
    await nats.stop();
  },
  SLOW,
);

test(
  'it ends with a deployed stack that acts on what is published',
  async () => {
    const { code, output } = await local.deploy();
    const { aws, nats, http } = local.ports;
    const said = `MisterSmith is deployed: NATS at nats://127.0.0.1:${nats}, HTTP at http://127.0.0.1:${http}, AWS at http://127.0.0.1:${aws}`;
    expect([code, output]).toEqual([0, expect.stringContaining(said)]);
    await local.nats('pub', 'agent.a1.created', '{"domain":"nlp","name":"worker","capabilities":["ner"]}');
    await local.nats('pub', 'agent.a1.ready', '{}');
    await expect.poll(findAgent, WITHIN).toContain('"state":"active"');
    expect((await fetch(`http://127.0.0.1:${http}/readyz`)).status).toBe(200);
  },
  SLOW,
);

test('what it writes down of itself, which may be a password of NATS, is for its owner alone', async () => {
  expect((await stat(stateFile())).mode & 0o777).toBe(0o600);
});

test.each([
  ['MINISTACK_PORT', 'aws'],
  ['NATS_PORT', 'nats'],
  ['HTTP_PORT', 'http'],
] as const)('another %s than the one in use is refused', async (name, which) => {
  const sentence = `a deployment runs already, and its ${name} is ${local.ports[which]}: leave ${name} out, or npm run remove:local first\n`;
  expect(await local.deploy({ [name]: '1' })).toEqual({ code: 1, output: sentence });
});

test(
  'a deployment that fails leaves the one before it running',
  async () => {
    await local.service.change('stream: CIRCUITS', 'stream: CIRCUIT');
    const { code, output } = await local.deploy();
    await local.service.change('stream: CIRCUIT', 'stream: CIRCUITS');
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/^osls deploy failed: .*functions\.circuit-breaker, event states: there is no stream CIRCUIT:/m),
    ]);
    expect(await findAgent()).toContain('"state":"active"');
  },
  SLOW,
);

test(
  'again it deploys what has changed, and keeps what is stored',
  async () => {
    await local.service.change('RECOVERY_OFF: ""', 'RECOVERY_OFF: agent:a3');
    expect(await local.deploy()).toMatchObject({ code: 0 });
    expect(await findAgent()).toContain('"state":"active"');
    const connection = await connect({ servers: `nats://127.0.0.1:${local.ports.nats}` });
    const seen = await collect(connection, 'supervision.*.*');
    for (const agent_id of ['a2', 'a3'])
      await local.nats('pub', 'supervision.failures.high', JSON.stringify({ agent_id, failure_type: 'process_crash', severity: 'high' }));
    const acted = () => seen.map(({ subject }) => subject).filter((subject) => !subject.startsWith('supervision.failures'));
    await expect.poll(acted, WITHIN).toEqual(expect.arrayContaining(['supervision.recovery.a2', 'supervision.escalation.1']));
    expect(acted()).not.toContain('supervision.recovery.a3');
    await connection.close();
  },
  SLOW,
);

test(
  'what is removed is gone: its programs, its ports, its folder',
  async () => {
    expect(await local.remove()).toEqual({ code: 0, output: expect.stringMatching(/^MisterSmith is removed$/m) });
    expect(await listening()).toEqual([false, false, false]);
    // A function's process ends when it sees that MiniStack did.
    await expect.poll(() => local.programs(), WITHIN).toEqual([]);
    await expect(access(join(local.service.folder, '.mistersmith/deployment'))).rejects.toThrow('ENOENT');
    expect(await local.remove()).toEqual({ code: 0, output: 'nothing is deployed\n' });
  },
  SLOW,
);

test.each([
  ['they get what is deployed, and stay when it is removed', async () => undefined],
  ['what they got is removed although all else was killed', killHost],
])(
  'emulator and NATS may be there already: %s',
  async (_, before) => {
    const folder = join(local.service.folder, 'theirs');
    const nats = await setupNats();
    const aws = await startMinistack({ port: 0, services: DEPLOYMENT_SERVICES, folder, log: console.info });
    const { code, output } = await local.deploy({ AWS_ENDPOINT_URL: aws.endpoint, NATS_URL: nats.url });
    expect([code, output]).toEqual([0, expect.stringContaining(`NATS at ${nats.url}`)]);
    const functions = async () => (await lambda.send(new ListFunctionsCommand())).Functions?.length;
    const lambda = new LambdaClient(ownEndpoint('LAMBDA', { AWS_ENDPOINT_URL: aws.endpoint }));
    expect(await functions()).toBe(readdirSync('functions').length);
    await before();
    expect(await local.remove()).toEqual({
      code: 0,
      output: expect.stringMatching(/^its streams at nats:\/\/127\.0\.0\.1:\d+ are still there$/m),
    });
    expect(await functions()).toBe(0);
    await (await jetstreamManager(nats.connection)).streams.info('SUPERVISION_EVENTS');
    lambda.destroy();
    await Promise.all([nats.stop(), aws.stop()]);
  },
  SLOW,
);

test('what was deployed to an emulator that does not answer any more is not forgotten', async () => {
  await mkdir(dirname(stateFile()), { recursive: true });
  await writeFile(stateFile(), JSON.stringify({ endpoint: 'http://127.0.0.1:9', ownAws: false }));
  const { code, output } = await local.remove();
  expect([code, output]).toEqual([1, expect.stringMatching(/^nothing answers at http:\/\/127\.0\.0\.1:9, where the last deployment is:/)]);
  await access(stateFile());
  await rm(dirname(stateFile()), { recursive: true });
});
