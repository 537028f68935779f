/** Tasks from submission to their end, on a real server and a real table, with agents that are nothing but NATS clients. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 15_000, interval: 20 };

type Assignment = { task_id: string; agent_id: string; attempt: number };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack();
});
afterAll(() => stack.stop());

const ask = async (subject: string, body: unknown) => (await stack.nc.request(subject, JSON.stringify(body), { timeout: 5000 })).json();

const submit = (task_id: string, capability: string, requirements: object = {}) =>
  stack.publish('coordination.tasks.assignment', { task_id, requirements: { capabilities: [capability], ...requirements } });

/** Registers an agent that does what `work` says with each assignment, and answers how many it had at once at most. */
const anAgent = async (agent_id: string, capability: string, work: (assignment: Assignment) => 'completed' | 'failed' | 'silence') => {
  const load = { now: 0, most: 0 };
  const answer = async (assignment: Assignment): Promise<void> => {
    load.most = Math.max(load.most, ++load.now);
    const { task_id, attempt } = assignment;
    const status = work(assignment);
    if (status === 'silence') return;
    await stack.publish(`coordination.tasks.status.${task_id}`, { agent_id, attempt, status: 'accepted' });
    load.now--;
    await stack.publish(`coordination.tasks.status.${task_id}`, { agent_id, attempt, status, result: agent_id });
  };
  stack.nc.subscribe(`coordination.tasks.assignment.${agent_id}`, {
    callback: (_, message) => void answer(message.json<Assignment>()),
  });
  await stack.publish(`agent.${agent_id}.created`, { agent_id, capabilities: [capability], max_concurrent_tasks: 2 });
  await stack.publish(`agent.${agent_id}.ready`, { agent_id });
  await expect.poll(() => ask('agents.discovery.resolve', { agent_id }), WITHIN).toMatchObject({ agent: { state: 'active' } });
  return load;
};

test('three hundred tasks are done once each, by all of five agents, none of which has more than it takes', async () => {
  const all = await collect(stack.nc, 'coordination.tasks.done.*');
  const done = () => all.filter(({ subject }) => subject.includes('.many-')).map(({ body }) => body as Record<string, string>);
  const agents = ['m1', 'm2', 'm3', 'm4', 'm5'];
  const loads = await Promise.all(agents.map((id) => anAgent(id, 'many', () => 'completed')));
  await Promise.all(Array.from({ length: 300 }, (_, n) => submit(`many-${n}`, 'many')));
  await expect.poll(() => done().length, WITHIN).toBe(300);
  expect(new Set(done().map(({ task_id, outcome }) => `${task_id} ${outcome}`))).toEqual(
    new Set(Array.from({ length: 300 }, (_, n) => `many-${n} completed`)),
  );
  expect(new Set(done().map(({ result }) => result))).toEqual(new Set(agents));
  expect(Math.max(...loads.map(({ most }) => most))).toBeLessThanOrEqual(2);
}, 60_000);

test('what one agent fails another one does', async () => {
  const done = await collect(stack.nc, 'coordination.tasks.done.shaky');
  await anAgent('f1', 'shaky', ({ attempt }) => (attempt === 1 ? 'failed' : 'completed'));
  await anAgent('f2', 'shaky', ({ attempt }) => (attempt === 1 ? 'failed' : 'completed'));
  await submit('shaky', 'shaky');
  await expect.poll(() => done.map(({ body }) => body), WITHIN).toMatchObject([{ outcome: 'completed', attempts: 2 }]);
});

test('the tasks of an agent that stops go to another one', async () => {
  const done = await collect(stack.nc, 'coordination.tasks.done.left');
  await anAgent('gone', 'left', () => 'silence');
  await submit('left', 'left');
  await expect.poll(() => ask('control.tasks.show', { task_id: 'left' }), WITHIN).toMatchObject({ phase: 'active', agent_id: 'gone' });
  await anAgent('heir', 'left', () => 'completed');
  await stack.publish('agent.gone.stopped', { agent_id: 'gone' });
  await expect.poll(() => done.map(({ body }) => body), WITHIN).toMatchObject([{ outcome: 'completed', attempts: 2, result: 'heir' }]);
});

test('an attempt that is not finished in time ends the task when there is no other attempt', async () => {
  const done = await collect(stack.nc, 'coordination.tasks.done.slow');
  await anAgent('idler', 'slow', () => 'silence');
  await submit('slow', 'slow', { timeout_ms: 2000, max_attempts: 1 });
  await expect.poll(() => done.map(({ body }) => body), WITHIN).toMatchObject([{ outcome: 'timed_out', attempts: 1 }]);
});

test('a task waits for an agent that can do it', async () => {
  const done = await collect(stack.nc, 'coordination.tasks.done.early');
  await submit('early', 'rare');
  await expect.poll(() => ask('control.tasks.show', { task_id: 'early' }), WITHIN).toMatchObject({ phase: 'waiting' });
  await anAgent('late-comer', 'rare', () => 'completed');
  await expect.poll(() => done.map(({ body }) => body), WITHIN).toMatchObject([{ outcome: 'completed' }]);
});

test('a task that nobody takes is unassigned at its timeout', async () => {
  const done = await collect(stack.nc, 'coordination.tasks.done.nobody');
  await submit('nobody', 'unheard-of', { timeout_ms: 300 });
  await expect.poll(() => done.map(({ body }) => body), WITHIN).toMatchObject([{ outcome: 'unassigned', attempts: 0 }]);
});

test('a cancelled task ends, and takes those with it that depend on it', async () => {
  const done = await collect(stack.nc, 'coordination.tasks.done.*');
  const outcomes = () => done.map(({ body }) => body as Record<string, string>).filter(({ task_id }) => task_id?.startsWith('dropped'));
  await submit('dropped', 'unheard-of');
  await submit('dropped-too', 'unheard-of', { depends_on: ['dropped'] });
  await expect.poll(() => ask('control.tasks.show', { task_id: 'dropped-too' }), WITHIN).toMatchObject({ phase: 'blocked' });
  expect(await ask('control.tasks.cancel', { task_id: 'dropped' })).toEqual({ task_id: 'dropped', outcome: 'cancelled' });
  await expect.poll(outcomes, WITHIN).toMatchObject([{ outcome: 'cancelled' }, { outcome: 'failed', attempts: 0 }]);
});

test('an agent that accepts and then says nothing is overdue at the deadline, and the next one hears what is left of the budget', async () => {
  const heard = await collect(stack.nc, 'coordination.tasks.assignment.silent');
  const done = await collect(stack.nc, 'coordination.tasks.done.overdue');
  await anAgent('silent', 'overdue', () => 'silence');
  const deadline = new Date(Date.now() + 5000).toISOString();
  await submit('overdue', 'overdue', { deadline, timeout_ms: 3000 });
  await expect.poll(() => heard.length, WITHIN).toBe(1);
  await stack.publish('coordination.tasks.status.overdue', { agent_id: 'silent', attempt: 1, status: 'progress', progress: 0.5 });
  await expect.poll(() => ask('control.tasks.show', { task_id: 'overdue' }), WITHIN).toMatchObject({ accepted: true, progress: 0.5 });
  await expect.poll(() => heard.length, WITHIN).toBe(2);
  await expect.poll(() => done.map(({ body }) => body), WITHIN).toMatchObject([{ outcome: 'timed_out' }]);
});
