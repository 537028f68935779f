/** Participants of barriers, on a real server and a real table: clients of NATS, and nothing else. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 15_000, interval: 20 };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack();
});
afterAll(() => stack.stop());

const request = async (subject: string, body: unknown) =>
  (await stack.nc.request(subject, JSON.stringify(body), { timeout: 15_000 })).json();

const aBarrier = async (barrier_id: string) => {
  const seen = await collect(stack.nc, `coordination.sync.released.${barrier_id}`);
  return {
    arrive: (participant: string, more: object = {}) => stack.publish(`coordination.sync.barrier.${barrier_id}`, { participant, ...more }),
    told: () => seen.map(({ body }) => body),
    show: () => request('control.barrier.show', { barrier_id }),
  };
};

test('a barrier of two hundred waits for the last one, and releases all once', async () => {
  const { arrive, told, show } = await aBarrier('all');
  const names = Array.from({ length: 199 }, (_, n) => `p${n}`);
  await Promise.all(names.map((name) => arrive(name, { parties: 200, phase: 'one' })));
  await expect.poll(show, WITHIN).toMatchObject({ barrier: { parties: 200, waiting: 199, phase: 'one' } });
  expect(told()).toEqual([]);
  await expect
    .poll(async () => ((await request('control.barrier.list', {})) as { barriers: object[] }).barriers, WITHIN)
    .toContainEqual(expect.objectContaining({ barrier_id: 'all', waiting: 199 }));
  await arrive('p199', { parties: 200, phase: 'one' });
  await expect.poll(told, WITHIN).toMatchObject([{ status: 'released', phase: 'one', arrived: 200, parties: 200 }]);
  await arrive('p0', { parties: 200, phase: 'two' });
  await expect.poll(show, WITHIN).toMatchObject({ barrier: { generation: 2, waiting: 1, past: [{ status: 'released' }] } });
  expect(told()).toHaveLength(1);
});

test('a phase that is not complete in time is broken', async () => {
  const { arrive, told } = await aBarrier('slow');
  await arrive('s1', { participants: ['s1', 's2'], timeout_ms: 300 });
  await expect.poll(told, WITHIN).toMatchObject([{ status: 'broken', code: 'timed_out', missing: ['s2'] }]);
});

test('a participant that crashes breaks the phase for the others', async () => {
  const { arrive, told, show } = await aBarrier('deadly');
  await arrive('x1', { parties: 3 });
  await arrive('x2', { parties: 3 });
  await expect.poll(show, WITHIN).toMatchObject({ barrier: { waiting: 2 } });
  await stack.publish('supervision.failures.high', { event_id: 'x-e1', agent_id: 'x1', failure_type: 'process_crash', severity: 'high' });
  await expect.poll(told, WITHIN).toMatchObject([{ status: 'broken', code: 'participant_gone', missing: ['x1'] }]);
});

test('a participant that stops is left out where the barrier is told so', async () => {
  const { arrive, told, show } = await aBarrier('shrinking');
  const reduce = { parties: 3, on_death: 'reduce' };
  await arrive('y1', reduce);
  await arrive('y2', reduce);
  await expect.poll(show, WITHIN).toMatchObject({ barrier: { waiting: 2 } });
  await stack.publish('agent.y1.stopped', { agent_id: 'y1' });
  await expect.poll(show, WITHIN).toMatchObject({ barrier: { waiting: 1, gone: ['y1'] } });
  await arrive('y3', reduce);
  await expect.poll(told, WITHIN).toMatchObject([{ status: 'released', arrived: 2, parties: 2 }]);
});
