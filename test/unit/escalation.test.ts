import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Case } from '#functions/escalation/case.ts';
import { cases } from '#functions/escalation/decide.ts';
import { list } from '#functions/escalation/queries.ts';
import { settings } from '#functions/escalation/settings.ts';
import { controlEscalationAck, controlEscalationList, controlEscalationResolve } from '#shared/messages/control.ts';
import { agentReady } from '#shared/messages/lifecycle.ts';
import { escalation } from '#shared/messages/supervision.ts';
import type { Agent } from '#shared/registry/agent.ts';
import { drive, received, START } from '#test/support/decide.ts';

const registered = (profile: object, agent: object = {}) =>
  new Map([['a1', { profile: { agent_id: 'a1', capabilities: [], metadata: {}, ...profile }, ...agent } as unknown as Agent]]);

const ladder = (agents = registered({ supervisor: 's1', domain: 'nlp' })) => drive(cases, settings.parse({}), agents);

type Said = { level?: 1 | 2 | 3 | 4; failure?: string; sentAt?: number; body?: object };

const escalated = ({ level = 1, failure = 'e1', sentAt = START, body = {} }: Said = {}) =>
  received(
    escalation,
    { escalation_level: String(level) },
    { agent_id: 'a1', original_failure: failure, escalation_level: level, escalation_reason: 'critical failure', ...body },
    { sentAt },
  );

const ready = (sentAt: number) => received(agentReady, { agent_id: 'a1' }, { agent_id: 'a1' }, { sentAt });
const ack = (body: object = {}) => received(controlEscalationAck, {}, { agent_id: 'a1', by: 'kim', reason: 'looking at it', ...body });
const resolve = () => received(controlEscalationResolve, {}, { agent_id: 'a1', by: 'kim' });

const subjects = (story: ReturnType<typeof ladder>) => story.published.map(({ subject }) => subject);

describe('a case', () => {
  test('is handed to the supervisor of the agent, with a deadline', () => {
    const story = ladder();
    story.tell(escalated());
    expect(story.published).toEqual([
      {
        subject: 'supervisor.s1.events',
        body: {
          type: 'supervisor_lifecycle',
          supervisor_id: 's1',
          event_type: 'escalation',
          affected_agents: ['a1'],
          case_id: story.state('a1')?.caseId,
          escalation_level: 1,
          escalation_reason: 'critical failure',
          deadline: new Date(START + 30_000).toISOString(),
        },
      },
    ]);
  });

  test('goes up a level at each deadline that nobody answers, and stays with people', () => {
    const story = ladder();
    story.tell(escalated());
    story.until(START + 3_600_000);
    const passed = ['supervision.escalation.2', 'supervisor.domain-nlp.events', 'supervision.escalation.3', 'supervisor.root.events'];
    const people = ['supervision.escalation.4', 'supervisor.people.events', 'alerts.critical'];
    expect(subjects(story)).toEqual(['supervisor.s1.events', ...passed, ...people]);
  });

  test('says why it goes up', () => {
    const story = ladder();
    story.tell(escalated());
    story.until(START + 30_000);
    expect(story.bodies('supervision.escalation.2')).toEqual([
      {
        type: 'escalation',
        agent_id: 'a1',
        original_failure: 'e1',
        escalation_level: 2,
        supervisor_id: 'domain-nlp',
        escalation_reason: 'nobody answered at level 1 within 30000 ms: critical failure',
      },
    ]);
  });

  test('takes the failures that come while it is open, and its deadline stays', () => {
    const story = ladder();
    story.tell(escalated());
    story.tell(escalated({ failure: 'e2', sentAt: START + 20_000 }));
    expect([story.state('a1'), story.wakeAt('a1'), story.published.length]).toMatchObject([
      { count: 2, failures: ['e1', 'e2'], openedAt: START },
      START + 30_000,
      1,
    ]);
  });

  test('counts a failure once', () => {
    const story = ladder();
    story.tell(escalated());
    story.tell(escalated({ sentAt: START + 1 }));
    expect([story.state('a1')?.count, story.writes()]).toEqual([1, 1]);
  });

  test('goes up at once when a failure comes in at a higher level', () => {
    const story = ladder();
    story.tell(escalated());
    story.tell(escalated({ level: 4, failure: 'e2' }));
    expect(subjects(story)).toEqual(['supervisor.s1.events', 'supervisor.people.events', 'alerts.critical']);
  });

  test.each([
    ['the registry knows', registered({ supervisor: 's1', domain: 'nlp' }), {}, 's1'],
    ['the escalation names', new Map<string, Agent>(), { supervisor_id: 's2' }, 's2'],
    ['is the domain where no supervisor is known', registered({ domain: 'nlp' }), {}, 'domain-nlp'],
    ['is root where nothing is known', new Map<string, Agent>(), {}, 'root'],
  ])('begins with the supervisor that %s', (_, agents, body, expected) => {
    const story = ladder(agents);
    story.tell(escalated({ body }));
    expect(subjects(story)).toEqual([`supervisor.${expected}.events`]);
  });

  test('is of the failure where no agent is named', () => {
    const story = ladder();
    story.tell(escalated({ body: { agent_id: undefined } }));
    expect(story.state('e1')).toMatchObject({ status: 'open', level: 1 });
  });
});

describe('somebody', () => {
  test('who acknowledges stops the ladder, and all hear who and why', () => {
    const story = ladder();
    story.tell(escalated());
    const { reply } = story.tell(ack()) as { reply?: unknown };
    story.until(START + 3_600_000);
    expect(reply).toMatchObject({ body: { case: { agent_id: 'a1', status: 'acknowledged', acknowledged: { by: 'kim' } } } });
    expect(story.bodies('alerts')).toMatchObject([
      { severity: 'low', agent_ids: ['a1'], summary: 'the escalation of agent a1 is acknowledged by kim: looking at it' },
    ]);
    expect(subjects(story)).toEqual(['supervisor.s1.events', 'alerts.low']);
  });

  test('who acknowledges second is told who was first', () => {
    const story = ladder();
    for (const event of [escalated(), ack()]) story.tell(event);
    expect(story.tell(ack({ by: 'lee' }))).toMatchObject({ reply: { body: { case: { acknowledged: { by: 'kim' } } } } });
  });

  test('who resolves closes the case; the next failure opens another', () => {
    const story = ladder();
    story.tell(escalated());
    const first = story.state('a1')?.caseId;
    story.tell(resolve());
    story.tell(escalated({ failure: 'e2', sentAt: START + 60_000 }));
    expect(story.state('a1')).toMatchObject({ status: 'open', count: 1, failures: ['e2'], openedAt: START + 60_000 });
    expect(story.state('a1')?.caseId).not.toBe(first);
  });

  test.each([
    ['acknowledges', ack()],
    ['resolves', resolve()],
  ])('who %s where nothing is open is told so', (_, event) => {
    expect(ladder().tell(event)).toMatchObject({ reply: { error: { code: 'not_found', message: 'agent a1 has no open escalation' } } });
  });

  test('sees the cases that are not resolved', () => {
    const story = ladder();
    story.tell(escalated());
    const open = story.state('a1') as Case;
    const answer = list.answer(
      {
        cases: new Map([
          ['a1', open],
          ['a2', { ...open, status: 'resolved' as const }],
        ]),
      },
      received(controlEscalationList, {}, {}),
      START,
    );
    expect(answer).toMatchObject({ body: { cases: [{ agent_id: 'a1', escalation_level: 1, status: 'open' }] } });
  });
});

describe('the agent', () => {
  test('that is ready after its failure resolves its case, and says so', () => {
    const story = ladder();
    story.tell(escalated());
    story.tell(ready(START + 1000));
    expect(story.state('a1')).toMatchObject({ status: 'resolved', resolved: { by: 'a1', reason: 'the agent is ready again' } });
    expect([story.wakeAt('a1'), subjects(story)]).toEqual([null, ['supervisor.s1.events', 'alerts.low']]);
  });

  test('that was ready before it failed resolves nothing', () => {
    const story = ladder();
    story.tell(escalated());
    story.tell(ready(START));
    expect(story.state('a1')?.status).toBe('open');
  });

  test('that became ready before the escalation was heard of is seen in the registry', () => {
    const story = ladder(registered({ supervisor: 's1' }, { lifecycle: 'active', responsive: true, since: START + 5 }));
    story.tell(escalated());
    story.until(START + 30_000);
    expect(subjects(story)).toEqual(['supervisor.s1.events', 'alerts.low']);
  });

  test('without a case costs nothing when it is ready', () => {
    const story = ladder();
    story.tell(ready(START));
    expect(story.writes()).toBe(0);
  });
});

test('a stray alarm changes nothing', () => {
  const story = ladder();
  story.tell(escalated());
  story.ring('a1');
  expect([story.state('a1')?.level, story.writes()]).toEqual([1, 1]);
});

test('an agent has at most one open case, which only goes up, and people are called once a case', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('failure' as const), level: fc.constantFrom(1, 2, 3, 4), failure: fc.nat(20) }),
    fc.record({ kind: fc.constantFrom('ack' as const, 'resolve' as const, 'ready' as const, 'wait' as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const story = ladder();
      let now = START;
      for (const one of steps) {
        now += 10_000;
        story.until(now);
        const before = story.state('a1');
        if (one.kind === 'failure') story.tell(escalated({ level: one.level as 1, failure: `e${one.failure}`, sentAt: now }));
        else if (one.kind === 'ready') story.tell(ready(now));
        else if (one.kind !== 'wait') story.tell(one.kind === 'ack' ? ack() : resolve());
        const after = story.state('a1');
        if (before?.caseId === after?.caseId) expect(after?.level ?? 0).toBeGreaterThanOrEqual(before?.level ?? 0);
        else expect(before?.status ?? 'resolved').toBe('resolved');
      }
      const called = story.bodies('supervisor.people').map(({ case_id }) => case_id);
      expect(new Set(called).size).toBe(called.length);
    }),
  );
});
