/** `npm run example`: each example keeps its promise, several at once on one stack, and the program around them ends as it should. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { load, names } from '#docs/examples/run/catalogue.ts';
import { createClient } from '#docs/examples/run/client.ts';
import { freePort } from '#infra/local/free-port.ts';
import { setupNats } from '#test/support/nats.ts';
import { type Stack, setupStack } from '#test/support/stack.ts';

const PROGRAM = 'docs/examples/run/main.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack();
});
afterAll(() => stack.stop());

const aClient = async (lines: string[], deadlineMs?: number) =>
  createClient(await connect({ servers: stack.url }), (line) => lines.push(line), deadlineMs);

/** What the program printed, and how it ended. */
const example = async (args: string[], environment: Record<string, string> = { NATS_URL: stack.url }) => {
  const env = { ...process.env, ...environment };
  const ended = promisify(execFile)(process.execPath, [PROGRAM, ...args], { env });
  return ended.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, stdout, stderr }),
  );
};

/** Those that wait for ten seconds begin first. */
const SLOW = ['metrics', 'silence'];
const inOrder = [...SLOW, ...names.filter((name) => !SLOW.includes(name))];

test.concurrent.each(inOrder)('the example %s does what it promises', async (name) => {
  const lines: string[] = [];
  const client = await aClient(lines);
  const run = await load(name);
  await run(client).finally(() => client.close());
  expect(lines.filter((line) => /^ {2}[<>] \S+ /.test(line)).length).toBeGreaterThan(1);
});

test.concurrent('an example plays on the stack that runs, says what happens, and ends with 0', async () => {
  const { code, stdout } = await example(['barrier']);
  expect(stdout).toMatch(/^barrier: Nobody goes on.*\n {2}< coordination\.sync\.released\.load-\w+ \{.*\}\nall go on\ndone\n$/s);
  expect([code, stdout.includes('one is started')]).toEqual([0, false]);
});

test.concurrent('without a name the examples are listed, and an unknown one is told with their names', async () => {
  const { code, stdout } = await example([]);
  expect([
    code,
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]),
  ]).toEqual([0, names]);
  expect(await example(['sage'])).toEqual({
    code: 1,
    stdout: '',
    stderr: `there is no example sage: it is one of ${names.join(', ')}\n`,
  });
});

test.concurrent('a named server where no functions answer is told in a sentence', async () => {
  const bare = await setupNats();
  const { code, stderr } = await example(['barrier'], { NATS_URL: bare.url });
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^no functions answer at nats:.*: start them there, or unset NATS_URL/)]);
  await bare.stop();
});

test.concurrent('what does not happen within the deadline is told in a sentence', async () => {
  const client = await aClient([], 50);
  const next = await client.listen('nobody.says');
  await expect(next('a word')).rejects.toThrow('a word did not happen within 0.05 s: nobody.says never said so');
  const asks = client.requestUntil('it', 'agents.discovery.find', {}, () => false);
  await expect(asks).rejects.toThrow('it did not happen within 0.05 s: agents.discovery.find never said so');
  await client.close();
});

test.concurrent('where no stack runs an example has one of its own, of which nothing is left when it is interrupted', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mistersmith-'));
  const env = { ...process.env, NATS_URL: '', NATS_PORT: String(await freePort()), TMPDIR: folder };
  const program = spawn(process.execPath, [PROGRAM, 'silence'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(program, 'exit');
  let output = '';
  for await (const chunk of program.stdout) {
    output += chunk;
    // It has begun: it publishes.
    if (output.includes('  > ')) program.kill('SIGINT');
  }
  expect(await ended).toEqual([130, null]);
  expect(output).toContain('no stack runs here: one is started for this example alone');
  expect(await readdir(folder)).toEqual([]);
  await rm(folder, { recursive: true });
});
