/** What agents ask of each other on document 004's bus. */
import { describe, expect, test } from 'vitest';
import { type Work, workChild } from '#functions/orchestrator-monitor/colleague.ts';
import { colleagues } from '#functions/orchestrator-monitor/decide.ts';
import { settings } from '#functions/orchestrator-monitor/settings.ts';
import { wantedIn } from '#functions/orchestrator-monitor/topics.ts';
import type { View } from '#functions/orchestrator-monitor/view.ts';
import { orchestratorAgent, orchestratorBroadcast } from '#shared/messages/orchestrator.ts';
import { drive, received, START } from '#test/support/decide.ts';

type Know = { healthy?: string[]; done?: Record<string, string>; working?: Record<string, string>; capable?: Record<string, string[]> };

/** What the table knows: who is healthy, who has done or works at what, who can do what. */
const knowing = ({ healthy = [], done = {}, working = {}, capable = {} }: Know = {}): View => {
  const names = new Set([...Object.keys(done), ...Object.keys(working), ...Object.keys(capable)]);
  const workOf = (name: string) => {
    const work = new Map<string, Work>();
    if (done[name]) work.set(done[name], { done: true, content: { status: 'completed' }, at: START });
    if (working[name]) work.set(working[name], { done: false, content: { status: 'started' }, at: START });
    return work;
  };
  return {
    healthy: new Set(healthy),
    topics: new Map([...names].map((name) => [name, { work: workOf(name), capable: capable[name] ?? [] }])),
    supervisors: new Map([['parser', 'domain-dev']]),
  };
};

const bus = (know?: Know) => drive(colleagues, settings.parse({ ORCHESTRATOR_ANSWER_MS: '1000' }), knowing(know));

type Type =
  | 'status_update'
  | 'task_complete'
  | 'task_failed'
  | 'question'
  | 'blocker'
  | 'resource_request'
  | 'coordination_request'
  | 'answer';

const broadcast = (message_type: Type, content: unknown, correlation_id = 'c.1') =>
  received(orchestratorBroadcast, { message_type }, { from_agent: 'parser', to_agent: null, message_type, content, correlation_id });

const direct = (from_agent: string, to_agent: string, message_type: Type, correlation_id: string | null, extra: { reply?: string } = {}) =>
  received(orchestratorAgent, { to_agent, message_type }, { from_agent, to_agent, message_type, content: {}, correlation_id }, extra);

const said = (story: ReturnType<typeof bus>) => story.published.map(({ subject }) => subject);

describe('what an agent says of itself', () => {
  test('is kept: its status, and what it has completed and failed', () => {
    const story = bus();
    story.tell(broadcast('status_update', { status: 'started', component: 'task_model' }));
    story.tell(broadcast('task_complete', { task: 'TaskParser', coverage: '92%' }));
    story.tell(broadcast('task_failed', { task: 'Docs', error: 'no space' }));
    expect(story.state('parser')).toMatchObject({
      status: { status: 'completed', component: 'TaskParser' },
      completed: 1,
      failed: 1,
      lastFailure: { content: '{"task":"Docs","error":"no space"}' },
    });
    expect([said(story), [...story.children('parser').keys()]]).toEqual([['alerts.low'], ['topic/task_model', 'topic/TaskParser']]);
  });

  test('of a component finds it again for whoever asks', () => {
    expect(workChild('task_model', { done: true, content: {}, at: START })).toMatchObject({
      lookup: 'orchestrator.topic=task_model',
      name: 'topic/task_model',
    });
  });
});

describe('a request', () => {
  test('for what somebody has said to be done is answered at once', () => {
    const story = bus({ done: { task_model: 'architect' } });
    story.tell(broadcast('resource_request', { resource: 'task_model', reason: 'TaskParser' }));
    expect(story.published).toMatchObject([
      {
        subject: 'orchestrator.agent.parser.resource_response',
        body: { to_agent: 'parser', correlation_id: 'c.1', content: { resource: 'task_model', status: 'ready', by: 'architect' } },
      },
    ]);
    expect(story.wakeAt('parser')).toBe(null);
  });

  test('to everybody goes to who works at what it names', () => {
    const story = bus({ working: { task_model: 'architect' } });
    story.tell(broadcast('question', { question: 'format?', component: 'task_model' }));
    expect(story.published).toMatchObject([
      { subject: 'orchestrator.agent.architect.question', body: { from_agent: 'parser', to_agent: 'architect', correlation_id: 'c.1' } },
    ]);
  });

  test('heard twice is one', () => {
    const story = bus({ working: { task_model: 'architect' } });
    for (let n = 0; n < 2; n++) story.tell(broadcast('question', { component: 'task_model' }));
    expect(said(story)).toEqual(['orchestrator.agent.architect.question']);
  });

  test('that is answered is never asked of another one', () => {
    const story = bus({ working: { x: 'architect' }, capable: { x: ['tester'] } });
    story.tell(broadcast('question', { component: 'x' }));
    story.tell(direct('architect', 'parser', 'answer', 'c.1'));
    story.until(START + 60_000);
    expect([said(story), story.state('parser')?.open]).toEqual([['orchestrator.agent.architect.question'], []]);
  });

  test('of one agent is left to it, and its answer needs no correlation id', () => {
    const story = bus();
    story.tell(direct('parser', 'architect', 'question', null));
    story.tell(direct('somebody', 'parser', 'answer', null));
    expect(story.state('parser')?.open).toHaveLength(1);
    story.tell(direct('architect', 'parser', 'answer', null));
    expect([said(story), story.state('parser')?.open]).toEqual([[], []]);
  });

  test('with a reply subject is NATS’s own request: nobody follows it', () => {
    const story = bus();
    story.tell(direct('parser', 'architect', 'question', 'c.2', { reply: '_INBOX.x' }));
    expect([said(story), story.wakeAt('parser')]).toEqual([[], null]);
  });
});

describe('what nobody answers', () => {
  test('is asked of the next who may know, and in the end told to people, once', () => {
    const story = bus({ working: { x: 'architect' }, capable: { x: ['tester', 'architect'] } });
    story.tell(broadcast('question', { component: 'x' }));
    story.until(START + 60_000);
    expect(said(story)).toEqual(['orchestrator.agent.architect.question', 'orchestrator.agent.tester.question', 'alerts.medium']);
    expect(story.bodies('alerts.')).toMatchObject([{ summary: expect.stringContaining('asked everybody, architect, tester') }]);
  });

  test('is also told to the supervisor of an agent that is blocked', () => {
    const story = bus();
    story.tell(broadcast('blocker', { blocked_by: 'nothing that anybody knows' }));
    story.until(START + 60_000);
    expect(story.published.slice(-1)).toMatchObject([
      { subject: 'supervision.escalation.1', body: { agent_id: 'parser', supervisor_id: 'domain-dev' } },
    ]);
  });

  test('a blocker goes to the agent that it names, if that is healthy', () => {
    const story = bus({ healthy: ['architect'] });
    story.tell(broadcast('blocker', { waiting_for: ['architect', 'ghost'] }));
    expect(said(story)).toEqual(['orchestrator.agent.architect.blocker']);
  });

  test('the oldest of more than 20 is given up on', () => {
    const story = bus();
    for (let n = 0; n < 21; n++) story.tell(broadcast('question', { n }, `c.${n}`));
    expect([said(story), story.state('parser')?.open.length]).toEqual([['alerts.medium'], 20]);
  });

  test('a coordination request is for all who hear it, and is watched', () => {
    const story = bus({ working: { x: 'architect' } });
    story.tell(broadcast('coordination_request', { component: 'x' }));
    expect([said(story), story.state('parser')?.open.length]).toEqual([[], 1]);
  });
});

test('what a content names is read from whatever shape it has', () => {
  expect([wantedIn({ resource: 'a', blocked_by: ['b', 'a', 7] }), wantedIn('text'), wantedIn(null)]).toEqual([['a', 'b'], [], []]);
});
