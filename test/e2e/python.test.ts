/** A client that knows nothing of this code: Python, nats-py, and the subjects of docs/wire.md. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pythonWithNats } from '#test/support/python.ts';
import { type Stack, setupStack } from '#test/support/stack.ts';

let stack: Stack;
let python: string;
beforeAll(async () => {
  [stack, python] = await Promise.all([setupStack(), pythonWithNats()]);
}, 120_000);
afterAll(() => stack.stop());

test('a Python agent registers, is found, fails, is recovered, and gathers', async () => {
  const { stdout } = await promisify(execFile)(python, ['test/python/client.py', stack.url]);
  expect(JSON.parse(stdout)).toMatchObject({
    found: [{ agent_id: 'py-1', domain: 'python' }],
    state: { agent_id: 'py-1', status: 'ready', capabilities: ['snakes'] },
    recovery: [{ type: 'recovery', agent_id: 'py-1', recovery_action: 'restart' }],
    complete: [{ request_id: 'py-req', status: 'complete', count: 3 }],
  });
});
