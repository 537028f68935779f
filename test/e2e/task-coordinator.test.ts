/** Tasks for many on a real server and a real table: their parts go through task-assignment to agents that are NATS clients. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 20_000, interval: 20 };
const CREW = ['crew-1', 'crew-2', 'crew-3'];

type Assignment = { task_id: string; agent_id: string; attempt: number; payload: unknown };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack();
  await Promise.all(CREW.map(anAgent));
}, 60_000);
afterAll(() => stack.stop());

const ask = async (subject: string, body: unknown) =>
  (await stack.nc.request(subject, JSON.stringify(body), { timeout: 5000 })).json<Record<string, unknown>>();

/** What was done, in order of its end. */
const log: string[] = [];
/** A map that its first agent never finishes. */
const STUCK = 'group-count-0005';

/** Adds a `!` to a word, counts words, joins what is a list, and is silent where it is told to wait. */
const worked = ({ payload, agent_id }: Assignment): unknown => {
  if (Array.isArray(payload)) return payload.reduce((sum: number, n) => sum + Number(n), 0);
  if (payload === 'who') return agent_id;
  return String(payload).includes(' ') ? String(payload).split(' ').length : `${payload}!`;
};

const anAgent = async (agent_id: string) => {
  const answer = async (assignment: Assignment) => {
    const { task_id, attempt, payload } = assignment;
    const say = (said: object) => stack.publish(`coordination.tasks.status.${task_id}`, { agent_id, attempt, ...said });
    if (payload === 'wait' || task_id === STUCK) return say({ status: 'accepted' });
    log.push(task_id);
    await say({ status: 'completed', result: worked(assignment) });
  };
  stack.nc.subscribe(`coordination.tasks.assignment.${agent_id}`, { callback: (_, message) => void answer(message.json<Assignment>()) });
  await stack.publish(`agent.${agent_id}.created`, { capabilities: ['crew'], max_concurrent_tasks: 4 });
  await stack.publish(`agent.${agent_id}.ready`, { agent_id });
  await vi.waitFor(
    async () => expect(await ask('agents.discovery.resolve', { agent_id })).toMatchObject({ agent: { state: 'active' } }),
    WITHIN,
  );
};

const requirements = { capabilities: ['crew'] };

/** Submits it, and answers its ends so far whenever asked. */
const submit = async (type: string, task_id: string, body: object) => {
  const ends = await collect(stack.nc, `coordination.tasks.done.${task_id}`);
  await stack.publish(`coordination.tasks.${type}`, { task_id, requirements, ...body });
  return () => ends.map((end) => end.body);
};

test('a broadcast reaches every agent that can, and ends with what each answered', async () => {
  const ends = await submit('broadcast', 'roll-call', { payload: 'who' });
  await expect.poll(ends, WITHIN).toMatchObject([{ outcome: 'completed', result: Object.fromEntries(CREW.map((id) => [id, id])) }]);
});

test('parallel parts are joined in order, also when the bridge is away in between', async () => {
  const words = Array.from({ length: 40 }, (_, n) => `word${n}`);
  const ends = await submit('parallel', 'shout', { parts: words.map((payload) => ({ payload })), max_parallel: 8 });
  await stack.withoutBridge(async () => undefined);
  await expect.poll(ends, WITHIN).toMatchObject([{ outcome: 'completed', result: words.map((word) => `${word}!`) }]);
  const done = log.filter((id) => id.startsWith('group-shout-'));
  expect(new Set(done).size).toBe(40);
});

test('a pipeline hands each result on', async () => {
  const ends = await submit('pipeline', 'line', { stages: [{ name: 'a' }, { name: 'b' }, { name: 'c' }], payload: 'go' });
  await expect.poll(ends, WITHIN).toMatchObject([{ outcome: 'completed', result: 'go!!!', counts: { completed: 3 } }]);
});

test('map_reduce reduces what its maps answer, and a map that hangs is done by a backup', async () => {
  const splits = ['a b', 'c d e', 'f g', 'h i j k', 'l m'];
  const ends = await submit('map_reduce', 'count', { splits, map: { requirements }, reduce: { requirements, fan_in: 3 } });
  await expect.poll(ends, WITHIN).toMatchObject([{ outcome: 'completed', result: 13 }]);
  expect(log.filter((id) => id.startsWith(STUCK))).toEqual([`${STUCK}b`]);
  await expect.poll(() => ask('control.tasks.show', { task_id: STUCK }), WITHIN).toMatchObject({ outcome: 'cancelled' });
});

test('a cancel reaches the parts that are under way', async () => {
  const ends = await submit('parallel', 'idle', { parts: [{ payload: 'wait' }, { payload: 'fast' }] });
  const show = () => ask('control.group.show', { task_id: 'idle' });
  await expect.poll(show, WITHIN).toMatchObject({ phase: 'running', progress: { completed: 1, under_way: 1 } });
  expect(await ask('control.group.cancel', { task_id: 'idle', reason: 'enough' })).toEqual({ task_id: 'idle', outcome: 'cancelled' });
  await expect.poll(ends, WITHIN).toMatchObject([{ outcome: 'cancelled', error: { message: 'enough' }, missing: [1] }]);
  await expect.poll(() => ask('control.tasks.show', { task_id: 'group-idle-0001' }), WITHIN).toMatchObject({ outcome: 'cancelled' });
  expect(await ask('control.group.list', { outcome: 'cancelled' })).toMatchObject({ groups: [{ task_id: 'idle' }] });
});

test('what says one type and is another is a dead letter', async () => {
  const letters = await collect(stack.nc, 'dlq.coordination.tasks.parallel');
  await submit('parallel', 'odd', { stages: [{ name: 'a' }] });
  const reasons = () => letters.map(({ headers }) => JSON.stringify(headers));
  await expect.poll(reasons, WITHIN).toContainEqual(expect.stringContaining('task odd is parallel and has no parts'));
  expect(await ask('control.group.show', { task_id: 'odd' })).toMatchObject({ error: { code: 'not_found' } });
});
