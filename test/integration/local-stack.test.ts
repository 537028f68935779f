/** `npm start` as a person meets it: it starts, stops, is killed, starts again, and says in a sentence what is wrong. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freePort } from '#infra/local/free-port.ts';
import { type LocalStack, startLocalStack } from '#test/support/local-stack.ts';

let folder: string;
let env: Record<string, string>;
let stacks: LocalStack[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mistersmith-local-'));
  env = { NATS_PORT: String(await freePort()), HTTP_PORT: String(await freePort()), DATA_DIR: join(folder, 'data') };
  stacks = [];
});
afterEach(async () => {
  await Promise.all(stacks.map((stack) => stack.stop()));
  await rm(folder, { recursive: true, force: true });
});

const start = (over: Record<string, string> = {}, cwd?: string): LocalStack => {
  const stack = startLocalStack({ ...env, ...over }, cwd);
  stacks.push(stack);
  return stack;
};

const http = async (path: string) => {
  const response = await fetch(`http://127.0.0.1:${env.HTTP_PORT}${path}`);
  return { status: response.status, text: await response.text() };
};

const natsListens = () =>
  connect({ servers: `127.0.0.1:${env.NATS_PORT}`, reconnect: false, timeout: 500 }).then(
    async (nc) => {
      await nc.close();
      return true;
    },
    () => false,
  );

/** The exit code and what was printed, of a start that must fail. */
const failing = async (over: Record<string, string>, cwd?: string) => {
  const stack = start(over, cwd);
  return { code: await stack.exited, lines: stack.output().trim().split('\n') };
};

const sentence = (pattern: RegExp) => ({ code: 1, lines: [expect.stringMatching(pattern)] });

test('it says that it is ready and where, answers over HTTP, and SIGTERM ends all of it', async () => {
  const stack = start();
  expect(await stack.ready).toContain(`nats://127.0.0.1:${env.NATS_PORT}`);
  expect(await http('/healthz')).toMatchObject({ status: 200 });
  expect(await http('/readyz')).toMatchObject({ status: 200 });
  expect((await http('/metrics')).text).toContain('mistersmith_bridge_held_messages');
  expect(await stack.stop()).toBe(0);
  expect(await natsListens()).toBe(false);
});

test('a kill -9 leaves no server behind, and what was stored is there at the next start', async () => {
  const first = start();
  await first.ready;
  const nc = await connect({ servers: `127.0.0.1:${env.NATS_PORT}`, reconnect: false });
  await jetstream(nc).publish('work.nlp.high.ocr', 'kept');
  await first.stop('SIGKILL');
  await expect.poll(natsListens, { timeout: 10_000 }).toBe(false);

  await start().ready;
  const again = await connect({ servers: `127.0.0.1:${env.NATS_PORT}` });
  const manager = await jetstreamManager(again);
  expect((await manager.streams.getMessage('WORK_QUEUE', { last_by_subj: 'work.nlp.high.ocr' }))?.string()).toBe('kept');
  await again.close();
});

test('with NATS_URL it uses the server that runs already', async () => {
  await start().ready;
  const second = start({ NATS_URL: `nats://127.0.0.1:${env.NATS_PORT}`, HTTP_PORT: '0', DATA_DIR: join(folder, 'other') });
  expect(await second.ready).toContain(`nats://127.0.0.1:${env.NATS_PORT}`);
});

test('--help says how to use it', async () => {
  const { stdout } = await (await import('node:util')).promisify((await import('node:child_process')).execFile)(process.execPath, [
    'infra/local/start.ts',
    '--help',
  ]);
  expect(stdout).toMatch(/NATS_URL[\s\S]*HTTP_PORT[\s\S]*DATA_DIR/);
});

test('a port that is taken', async () => {
  const server = createServer().listen(Number(env.HTTP_PORT), '127.0.0.1');
  await once(server, 'listening');
  expect(await failing({})).toEqual(sentence(new RegExp(`${env.HTTP_PORT}.*HTTP_PORT`)));
  server.close();
});

test('settings that are wrong, all at once', async () => {
  expect(await failing({ HTTP_PORT: 'eighty', NATS_PORT: '99999' })).toEqual(sentence(/HTTP_PORT.*NATS_PORT|NATS_PORT.*HTTP_PORT/));
});

test('a NATS server that does not answer', async () => {
  expect(await failing({ NATS_URL: `nats://127.0.0.1:${await freePort()}` })).toMatchObject({
    code: 1,
    lines: expect.arrayContaining([expect.stringMatching(/NATS/)]),
  });
});

test('a table that does not answer', async () => {
  const { code, lines } = await failing({ AWS_ENDPOINT_URL_DYNAMODB: `http://127.0.0.1:${await freePort()}` });
  expect({ code, last: lines.at(-1) }).toEqual({ code: 1, last: expect.stringMatching(/table|endpoint/i) });
}, 60_000);

test('a serverless.yml that is broken, every mistake with its place', async () => {
  await writeFile(
    join(folder, 'serverless.yml'),
    'provider: {}\nfunctions:\n  f:\n    handler: f.handler\n    events:\n      - nats: { stream: S, batchSize: many, speed: 9 }\n',
  );
  expect(await failing({}, folder)).toEqual(sentence(/functions\.f\.events\.0\.nats.*batchSize.*|speed/));
});

test('two stacks on one folder', async () => {
  await start().ready;
  expect(await failing({ NATS_PORT: '0', HTTP_PORT: '0' })).toEqual(sentence(/DATA_DIR|folder/));
});
