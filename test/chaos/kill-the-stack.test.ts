/** 300 scatter/gathers of 20 results, while the whole stack is killed with -9 three times: 300 completions, each once, each with 20. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '#test/support/free-port.ts';
import { type LocalStack, startLocalStack } from '#test/support/local-stack.ts';

const REQUESTS = 300;
const RESULTS = 20;

let folder: string;
let env: Record<string, string>;
let stack: LocalStack;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mistersmith-kill-'));
  env = { NATS_PORT: String(await freePort()), HTTP_PORT: '0', DATA_DIR: folder };
  stack = startLocalStack(env);
  await stack.ready;
}, 120_000);
afterAll(async () => {
  await stack.stop();
  await rm(folder, { recursive: true, force: true });
});

test('what was published is gathered, whatever dies in between', async () => {
  const nc = await connect({ servers: `127.0.0.1:${env.NATS_PORT}`, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  const js = jetstream(nc);
  let sent = 0;
  /** As a careful client publishes: with an id of its own, again until the stream has it. */
  const publish = async (subject: string, body: unknown, msgID: string): Promise<void> => {
    for (;;) {
      try {
        await js.publish(subject, JSON.stringify(body), { msgID, timeout: 2000 });
        sent++;
        return;
      } catch {
        await pause(50);
      }
    }
  };
  const scatterAndGather = async (n: number): Promise<void> => {
    const id = `k${n}`;
    await publish(`scatter.${id}.task`, { request_id: id, min_responses: RESULTS, timeout_ms: 600_000 }, `${id}-task`);
    const results = Array.from({ length: RESULTS }, (_, w) =>
      publish(`gather.${id}.result`, { agent_id: `w${w}`, result: w }, `${id}-${w}`),
    );
    await Promise.all(results);
  };
  const publishing = (async () => {
    for (let n = 0; n < REQUESTS; n += 10) {
      await Promise.all(Array.from({ length: 10 }, (_, i) => scatterAndGather(n + i)));
      await pause(20);
    }
  })();
  const all = REQUESTS * (RESULTS + 1);
  for (const share of [0.2, 0.5, 0.8]) {
    await expect.poll(() => sent, { timeout: 60_000, interval: 5 }).toBeGreaterThan(share * all);
    await stack.stop('SIGKILL');
    stack = startLocalStack(env);
    await stack.ready;
  }
  await publishing;

  const manager = await jetstreamManager(nc);
  const completions = async () =>
    (await manager.streams.info('COORDINATION', { subjects_filter: 'gather.*.complete' })).state.subjects ?? {};
  await expect.poll(async () => Object.keys(await completions()).length, { timeout: 120_000, interval: 250 }).toBe(REQUESTS);
  expect(Object.values(await completions()).every((count) => count === 1)).toBe(true);
  const counts = await Promise.all(
    Array.from({ length: REQUESTS }, async (_, n) => {
      const message = await manager.streams.getMessage('COORDINATION', { last_by_subj: `gather.k${n}.complete` });
      return message?.json<{ status: string; count: number }>();
    }),
  );
  expect(counts).toEqual(Array.from({ length: REQUESTS }, () => expect.objectContaining({ status: 'complete', count: RESULTS })));
  await nc.close();
}, 240_000);
