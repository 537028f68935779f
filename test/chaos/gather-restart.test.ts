/** The whole stack is killed with -9 between the results of gathers: each goes on where it was, and is completed once. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freePort } from '#infra/local/free-port.ts';
import { type CarefulClient, carefulClient } from '#test/support/careful-client.ts';
import { type LocalStack, startLocalStack } from '#test/support/local-stack.ts';

const SOON = { timeout: 30_000, interval: 50 };

let folder: string;
let env: { NATS_PORT: string; HTTP_PORT: string; DATA_DIR: string };
let stack: LocalStack;
let client: CarefulClient;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mistersmith-gather-'));
  env = { NATS_PORT: String(await freePort()), HTTP_PORT: '0', DATA_DIR: folder };
  stack = startLocalStack(env);
  await stack.ready;
  client = await carefulClient([`127.0.0.1:${env.NATS_PORT}`]);
}, 120_000);
afterEach(async () => {
  await client.close();
  await stack.stop();
  await rm(folder, { recursive: true, force: true });
});

const restart = async (): Promise<void> => {
  await stack.stop('SIGKILL');
  stack = startLocalStack(env);
  await stack.ready;
};

const scatter = (id: string, rules: object) =>
  client.publish(`scatter.${id}.task`, { min_responses: 3, timeout_ms: 600_000, ...rules }, `${id}-task`);

/** `time`: of several, so that the stream does not know it again. */
const answer = (id: string, agent_id: string, result: unknown, time = 1) =>
  client.publish(`gather.${id}.result`, { agent_id, result }, `${id}-${agent_id}-${time}`);

const ask = async (verb: string, request_id: string) =>
  (await client.nc.request(`control.gather.${verb}`, JSON.stringify({ request_id }), { timeout: 5000 })).json();

const came = async (id: string) => ((await ask('show', id).catch(() => undefined)) as { count?: number } | undefined)?.count;

const gathers: Record<string, { rules: object; said: object }> = {
  sum: {
    rules: { strategy: 'reduce', reduce: { op: 'sum', field: 'cost' } },
    said: { status: 'complete', completed_by: 'size', value: 6 },
  },
  quorum: {
    rules: { max_responses: 9, quorum: { count: 3, field: 'label' } },
    said: { completed_by: 'quorum', agreed: { value: 'cat', count: 3 } },
  },
  predicate: {
    rules: { min_responses: 9, complete_when: { result: { cost: [3] } } },
    said: { status: 'complete', completed_by: 'predicate' },
  },
  all: { rules: { min_responses: 2, expected: ['a', 'b', 'c'] }, said: { status: 'complete', missing: [], failed: 0 } },
};

test('what had come before a kill counts after it, also when it comes again, and each gather is completed once', async () => {
  const ids = Object.keys(gathers);
  await Promise.all(ids.map((id) => scatter(id, gathers[id]?.rules ?? {})));
  await scatter('stopped', { expected: ['a', 'b', 'c'] });
  const all = [...ids, 'stopped'];
  for (const agent of [1, 2]) await Promise.all(all.map((id) => answer(id, 'abc'[agent - 1] as string, { cost: agent, label: 'cat' })));
  await expect.poll(() => Promise.all(all.map(came)), SOON).toEqual(all.map(() => 2));
  await restart();

  expect(await ask('show', 'stopped')).toMatchObject({ phase: 'open', agents: ['a', 'b'], missing: ['c'] });
  expect(await ask('cancel', 'stopped')).toMatchObject({ status: 'partial', count: 2, completed_by: 'cancel', missing: ['c'] });
  for (const id of ids) {
    await answer(id, 'a', { cost: 100, label: 'dog' }, 2);
    await answer(id, 'c', { cost: 3, label: 'cat' });
  }
  await expect.poll(async () => Object.keys(await client.counts('COORDINATION', 'gather.*.complete')).length, SOON).toBe(all.length);
  expect(Object.values(await client.counts('COORDINATION', 'gather.*.complete'))).toEqual(all.map(() => 1));
  const said = await Promise.all(ids.map((id) => client.last('COORDINATION', `gather.${id}.complete`)));
  expect(said).toMatchObject(ids.map((id) => ({ count: 3, ...gathers[id]?.said })));
}, 120_000);
