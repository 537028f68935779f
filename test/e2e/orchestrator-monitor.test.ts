/** Document 004's agents, which know nothing of the functions, on the bus. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 15_000, interval: 20 };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack({ ORCHESTRATOR_ANSWER_MS: '500' });
});
afterAll(() => stack.stop());

const say = (from_agent: string, to_agent: string | null, message_type: string, content: unknown, correlation_id: string) => {
  const subject = to_agent === null ? `orchestrator.broadcast.${message_type}` : `orchestrator.agent.${to_agent}.${message_type}`;
  const body = { from_agent, to_agent, message_type, content, timestamp: new Date().toISOString(), correlation_id };
  stack.nc.publish(subject, JSON.stringify(body));
};

const open = async () => {
  const message = await stack.nc.request('control.orchestrator.list', '', { timeout: 5000 });
  return message.json<{ open: { correlation_id: string }[] }>().open.map(({ correlation_id }) => correlation_id);
};

test('who asks for what another agent has completed is answered', async () => {
  const heard = await collect(stack.nc, 'orchestrator.agent.parser-dev.*');
  say('architect', null, 'status_update', { status: 'completed', component: 'task_model', location: 'src/models/task.py' }, 'a.1');
  await expect
    .poll(() => {
      if (heard.length === 0) say('parser-dev', null, 'resource_request', { resource: 'task_model' }, 'p.1');
      return heard;
    }, WITHIN)
    .toMatchObject([{ body: { message_type: 'resource_response', content: { status: 'ready', by: 'architect' } } }]);
});

test('a question that nobody answers is open, until it is told to people', async () => {
  const alerts = await collect(stack.nc, 'alerts.medium');
  say('tester', null, 'question', { question: 'who is there?' }, 't.1');
  await expect.poll(open, WITHIN).toContain('t.1');
  await expect
    .poll(() => alerts.map(({ body }) => body), WITHIN)
    .toMatchObject([{ source: 'orchestrator-monitor', agent_ids: ['tester'] }]);
  await expect.poll(open, WITHIN).not.toContain('t.1');
});
