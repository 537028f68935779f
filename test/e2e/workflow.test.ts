/** Workflows on a real server and a real table, with workers that are nothing but NATS clients. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 15_000, interval: 20 };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack({ WORKFLOW_STAGE_TIMEOUT_MS: '1000' });
});
afterAll(() => stack.stop());

const ask = async (verb: string, body: object) =>
  (await stack.nc.request(`control.workflow.${verb}`, JSON.stringify(body), { timeout: 15_000 })).json<Record<string, unknown>>();

const show = (workflow_id: string) => ask('show', { workflow_id });

/** Takes stages of that name, as document 002's workers do, and hands in what `work` makes of what it was given. */
const aWorker = async (stage: string, work: (given: string) => unknown, agent = `${stage}-1`) => {
  const runs: string[] = [];
  const subscription = stack.nc.subscribe(`pipeline.*.*.${stage}`, {
    queue: `pipeline-${stage}`,
    callback: (_, message) => {
      const [, workflow_id, number] = message.subject.split('.');
      runs.push(agent);
      const result = work(message.string());
      if (result !== undefined) void stack.publish(`coord.${workflow_id}.complete`, { stage: `${number}.${stage}`, result });
    },
  });
  await stack.nc.flush();
  return { runs, die: () => subscription.unsubscribe() };
};

test('a defined workflow goes on when both of its parallel stages are complete, with what both answered', async () => {
  const complete = await collect(stack.nc, 'pipeline.joined.complete');
  await aWorker('split', (doc) => ({ of: doc }));
  await aWorker('words', () => 'hello');
  await aWorker('images', () => ['a.png']);
  await aWorker('merge', (parts) => ({ merged: JSON.parse(parts) }));
  const stages = [
    { number: 1, name: 'split' },
    { number: 2, name: 'words' },
    { number: 2, name: 'images' },
    { number: 3, name: 'merge' },
  ];
  expect(await ask('start', { workflow_id: 'joined', stages, payload: 'doc' })).toEqual({ workflow_id: 'joined', stages: 4 });
  await expect.poll(() => complete.map(({ body }) => body), WITHIN).toEqual([{ merged: { words: 'hello', images: ['a.png'] } }]);
  expect(await show('joined')).toMatchObject({ status: 'completed', progress: { complete: 4, known: 4 } });
  expect(await ask('list', { status: 'completed' })).toMatchObject({ workflows: [{ workflow_id: 'joined', mode: 'defined' }] });
});

test('a stage whose worker died is done by another one, and the history says so', async () => {
  const complete = await collect(stack.nc, 'pipeline.survivor.complete');
  const dead = await aWorker('frail', () => undefined, 'frail-1');
  await ask('start', { workflow_id: 'survivor', stages: [{ number: 1, name: 'frail' }], payload: 'doc' });
  await expect.poll(() => dead.runs, WITHIN).toEqual(['frail-1']);
  dead.die();
  await aWorker('frail', (doc) => `${doc} done`, 'frail-2');
  await expect.poll(() => complete.map(({ body }) => body), WITHIN).toEqual(['doc done']);
  const { history } = await show('survivor');
  expect((history as { event: string }[]).map(({ event }) => event)).toEqual(['started', 'retried', 'complete', 'completed']);
});

test('what is published while no bridge runs is followed when there is one again', async () => {
  await stack.withoutBridge(async () => {
    await stack.publish('pipeline.patient.01.read', 'doc');
    await stack.publish('pipeline.patient.02.tell', 'text');
    await stack.publish('pipeline.patient.complete', 'words');
  });
  await expect.poll(() => show('patient'), WITHIN).toMatchObject({ mode: 'followed', status: 'completed', progress: { complete: 2 } });
});

test('a stage that nobody takes is an error once, after its attempts', async () => {
  const given = await collect(stack.nc, 'pipeline.lonely.01.unheard');
  const errors = await collect(stack.nc, 'coord.lonely.error');
  await stack.publish('pipeline.lonely.01.unheard', 'doc');
  await expect.poll(() => errors.map(({ body }) => body), WITHIN).toMatchObject([{ stage: '01.unheard', status: 'failed' }]);
  expect(given.map(({ text, headers }) => [text, headers['X-Retry-Count']])).toEqual([
    ['doc', undefined],
    ['doc', '1'],
    ['doc', '2'],
  ]);
});

test('a cancel reaches the stage under way; whoever continues it hears it again, and nothing is tried again', async () => {
  const cancels = await collect(stack.nc, 'coord.dropped.cancel');
  const given = await collect(stack.nc, 'pipeline.dropped.>');
  await stack.publish('pipeline.dropped.01.slow', 'doc');
  await expect.poll(() => show('dropped'), WITHIN).toMatchObject({ status: 'running' });
  await ask('cancel', { workflow_id: 'dropped', reason: 'not wanted' });
  await stack.publish('pipeline.dropped.02.next', 'text');
  await expect.poll(() => cancels.map(({ body }) => (body as { stages: string[] }).stages), WITHIN).toEqual([['01.slow'], ['02.next']]);
  const { history } = await show('dropped');
  expect((history as { event: string }[]).map(({ event }) => event)).toEqual(['started', 'cancelled', 'late']);
  expect(given.map(({ subject }) => subject)).toEqual(['pipeline.dropped.01.slow', 'pipeline.dropped.02.next']);
});
