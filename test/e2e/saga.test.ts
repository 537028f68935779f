/** Sagas on a real server and a real table: their tasks go through task-assignment to agents that are NATS clients. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 20_000, interval: 20 };

type Assignment = { task_id: string; attempt: number; payload: { book?: string; payload?: { cancel: string }; result?: unknown } };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack({ SAGA_UNDO_BACKOFF_MS: '200', SAGA_UNDO_ROUNDS: '2' });
  await travelAgent();
}, 60_000);
afterAll(() => stack.stop());

const ask = async (subject: string, body: unknown) =>
  (await stack.nc.request(subject, JSON.stringify(body), { timeout: 15_000 })).json<Record<string, unknown>>();

/** What was booked and cancelled, in order. */
const log: string[] = [];
const sold = new Set(['moon']);
const broken = new Set<string>();

/** Does what it is given at once: books what is not sold out, cancels what was booked. */
const travelAgent = async () => {
  const does = ({ book, payload, result }: Assignment['payload']) => {
    const what = book === undefined ? `cancel ${payload?.cancel} ${(result as { booked: string }).booked}` : `book ${book}`;
    if ((book !== undefined && sold.has(book)) || (payload && broken.has(payload.cancel)))
      return { status: 'failed', error: `${what}: no` };
    log.push(what);
    return { status: 'completed', result: { booked: `no-${log.length}` } };
  };
  const answer = async ({ task_id, attempt, payload }: Assignment) => {
    await stack.publish(`coordination.tasks.status.${task_id}`, { agent_id: 'traveller', attempt, ...does(payload) });
  };
  stack.nc.subscribe('coordination.tasks.assignment.traveller', {
    callback: (_, message) => void answer(message.json<Assignment>()),
  });
  await stack.publish('agent.traveller.created', { capabilities: ['travel'], max_concurrent_tasks: 10 });
  await stack.publish('agent.traveller.ready', { agent_id: 'traveller' });
  const found = async () => (await ask('agents.discovery.resolve', { agent_id: 'traveller' })).agent;
  await vi.waitFor(async () => expect(await found()).toMatchObject({ state: 'active' }), WITHIN);
};

const booking = (name: string) => ({
  name,
  action: { capabilities: ['travel'], payload: { book: name } },
  compensation: { capabilities: ['travel'], payload: { cancel: name } },
  max_attempts: 1,
});
const start = (saga_id: string, ...names: string[]) => ask('control.saga.start', { saga_id, steps: names.map(booking) });
const logOf = (...names: string[]) => log.filter((line) => names.some((name) => line.split(' ')[1] === name));
const show = (saga_id: string) => ask('control.saga.show', { saga_id });

test('a saga whose third step fails is undone 2, 1 by the agents that take its tasks, each told what its action answered', async () => {
  const said = await collect(stack.nc, 'coord.trip.*');
  expect(await start('trip', 'flight', 'hotel', 'moon')).toEqual({ saga_id: 'trip', steps: 3 });
  await expect.poll(() => show('trip'), WITHIN).toMatchObject({ phase: 'compensated', failure: { step: 'moon' } });
  expect(logOf('flight', 'hotel', 'moon')).toEqual(['book flight', 'book hotel', 'cancel hotel no-2', 'cancel flight no-1']);
  await expect
    .poll(() => said.map(({ subject, body }) => [subject, (body as { stage: string }).stage]), WITHIN)
    .toEqual([
      ['coord.trip.complete', 'flight'],
      ['coord.trip.complete', 'hotel'],
      ['coord.trip.complete', 'hotel'],
      ['coord.trip.complete', 'flight'],
      ['coord.trip.error', 'moon'],
    ]);
});

test('a saga goes on where it was when the bridge is back', async () => {
  await start('outage', 'train', 'boat', 'bus');
  await stack.withoutBridge(async () => undefined);
  await expect.poll(() => show('outage'), WITHIN).toMatchObject({ phase: 'completed', progress: { done: 3, steps: 3 } });
  expect(logOf('train', 'boat', 'bus')).toEqual(['book train', 'book boat', 'book bus']);
});

test('a compensation that keeps failing is told to people, and done when they ask for it again', async () => {
  const alerts = await collect(stack.nc, 'alerts.critical');
  broken.add('museum');
  await start('jam', 'museum', 'moon');
  await expect.poll(() => ask('control.saga.list', { phase: 'stuck' }), WITHIN).toMatchObject({ sagas: [{ saga_id: 'jam' }] });
  await expect.poll(() => alerts.map(({ body }) => (body as { group: string }).group), WITHIN).toEqual(['saga jam']);
  broken.clear();
  await ask('control.saga.cancel', { saga_id: 'jam' });
  await expect.poll(() => show('jam'), WITHIN).toMatchObject({ phase: 'compensated' });
  expect(logOf('museum')).toEqual(['book museum', expect.stringMatching(/^cancel museum no-/)]);
});

test('a saga that is cancelled while its task waits for an agent is undone', async () => {
  const steps = [booking('castle'), { name: 'nobody', action: { capabilities: ['unheard-of'] } }];
  await ask('control.saga.start', { saga_id: 'dropped', steps });
  await expect.poll(() => ask('control.tasks.show', { task_id: 'saga-dropped-02' }), WITHIN).toMatchObject({ phase: 'waiting' });
  await ask('control.saga.cancel', { saga_id: 'dropped', reason: 'not wanted' });
  await expect.poll(() => show('dropped'), WITHIN).toMatchObject({ phase: 'compensated', failure: { error: { message: 'not wanted' } } });
  expect(logOf('castle')).toEqual(['book castle', expect.stringMatching(/^cancel castle no-/)]);
});
