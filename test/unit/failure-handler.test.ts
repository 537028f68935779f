import fc from 'fast-check';
import { expect, test } from 'vitest';
import { failures, failuresKind } from '#functions/failure-handler/decide.ts';
import { settings } from '#functions/failure-handler/settings.ts';
import { readState } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';
import { failure } from '#shared/messages/supervision.ts';
import type { Agent } from '#shared/registry/agent.ts';
import { EMPTY_TREE, type Places } from '#shared/supervision/tree.ts';
import { drive, received, START } from '#test/support/decide.ts';

const registered = (profile: Partial<Agent['profile']>) =>
  new Map([['a1', { profile: { agent_id: 'a1', capabilities: [], metadata: {}, ...profile } } as unknown as Agent]]);

/** a1 is nobody's child. */
const nowhere: Places = { tree: EMPTY_TREE, places: new Map() };
const childOf = (supervisor: string): Places => ({
  tree: { parents: { [supervisor]: 'domain-nlp' } },
  places: new Map([['a1', { supervisor }]]),
});

const handler = (environment: Record<string, string> = {}, agents = new Map<string, Agent>(), where = nowhere) =>
  drive(failures, settings.parse(environment), { agents, where });

type Said = { severity?: string; event_id?: string; sentAt?: number };

const failed = ({ severity = 'high', event_id, sentAt = START }: Said = {}) =>
  received(
    failure,
    { severity },
    {
      type: 'failure',
      agent_id: 'a1',
      failure_type: 'process_crash',
      severity,
      ...(event_id && { event_id }),
      detection_time: new Date(sentAt).toISOString(),
    },
    { sentAt },
  );

const subjects = (story: ReturnType<typeof handler>) => story.published.map(({ subject }) => subject);

test('a high failure asks for a recovery, and says why', () => {
  const story = handler();
  story.tell(failed({ event_id: 'e1' }));
  expect(story.published).toEqual([
    {
      subject: 'supervision.recovery.a1',
      body: {
        type: 'recovery',
        agent_id: 'a1',
        recovery_action: 'restart',
        initiator: 'failure-handler',
        recovery_plan: { event_id: 'e1', failure_type: 'process_crash', severity: 'high', failed_at: iso(START) },
      },
    },
  ]);
});

test('a critical failure goes to the supervisor, to people, and to recovery', () => {
  const story = handler({}, registered({ supervisor: 's1' }));
  story.tell(failed({ severity: 'critical', event_id: 'e1' }));
  expect(subjects(story)).toEqual(['supervision.escalation.1', 'alerts.critical', 'supervision.recovery.a1']);
  expect(story.bodies('supervision.escalation')).toEqual([
    {
      type: 'escalation',
      agent_id: 'a1',
      original_failure: 'e1',
      escalation_level: 1,
      supervisor_id: 's1',
      escalation_reason: 'critical failure',
    },
  ]);
});

test.each(['low', 'medium'] as const)('a %s failure is counted and nothing else', (severity) => {
  const story = handler();
  story.tell(failed({ severity, event_id: 'e1' }));
  expect(story.published).toEqual([]);
  expect(story.state('a1')).toEqual({
    counts: { low: 0, medium: 0, high: 0, critical: 0, [severity]: 1 },
    last: { event_id: 'e1', failure_type: 'process_crash', severity, at: START },
    eventIds: ['e1'],
  });
});

test('every failure of an agent that keeps failing asks for a recovery: whether it may be is not decided here', () => {
  const story = handler();
  for (let n = 0; n < 10; n++) story.tell(failed({ event_id: `e${n}`, sentAt: START + n }));
  expect(subjects(story)).toEqual(Array(10).fill('supervision.recovery.a1'));
});

test.each([
  ['the one whose child the agent is, whatever it names', registered({ supervisor: 's2' }), childOf('s1'), 's1'],
  ['the one that it names, where it is nobody’s child', registered({ supervisor: 's2', domain: 'nlp' }), nowhere, 's2'],
  ['its domain', registered({ domain: 'nlp' }), nowhere, 'domain-nlp'],
  ['root, where nothing is known', new Map<string, Agent>(), nowhere, 'root'],
])('the supervisor of an escalation is %s', (_, agents, where, supervisor_id) => {
  const story = handler({}, agents, where);
  story.tell(failed({ severity: 'critical' }));
  expect(story.bodies('supervision.escalation')).toMatchObject([{ supervisor_id }]);
});

test('what was stored with the times of recoveries is read without them', () => {
  const { eventIds, ...old } = { counts: { low: 0, medium: 0, high: 1, critical: 0 }, eventIds: ['e1'], recoveries: [START] };
  const last = { event_id: 'e1', failure_type: 'process_crash', severity: 'high', at: START };
  const item = {
    key: 'failures#a1',
    version: 1,
    schema: 1,
    state: { ...old, eventIds, last },
    applied: {},
    outbox: {},
    nonce: '',
  } as const;
  expect(readState(failuresKind, item)).toEqual({ counts: old.counts, last, eventIds });
});

test.each([
  ['the agent', { RECOVERY_OFF: 'agent:a1' }, new Map<string, Agent>()],
  ['its domain', { RECOVERY_OFF: 'agent:other,domain:nlp' }, registered({ domain: 'nlp' })],
  ['itself', {}, registered({ metadata: { recovery: 'off' } })],
])('recovery switched off for %s leaves the escalation and the alert', (_, environment, agents) => {
  const story = handler(environment as Record<string, string>, agents);
  story.tell(failed({ severity: 'critical' }));
  expect(subjects(story)).toEqual(['supervision.escalation.1', 'alerts.critical']);
});

test('a high failure that may not be recovered is escalated, not lost', () => {
  const story = handler({ RECOVERY_OFF: 'agent:a1' });
  story.tell(failed());
  expect(story.bodies('supervision')).toMatchObject([{ escalation_reason: 'not recovered: recovery of agent a1 is switched off' }]);
});

test('the same event id acts once, and the second costs no write', () => {
  const story = handler();
  story.tell(failed({ event_id: 'e1' }));
  story.tell(failed({ event_id: 'e1', sentAt: START + 5000 }));
  expect([story.published.length, story.writes()]).toEqual([1, 1]);
});

test('a hundred event ids are remembered, the oldest is forgotten first', () => {
  const story = handler();
  for (let n = 0; n <= 100; n++) story.tell(failed({ severity: 'low', event_id: `e${n}` }));
  for (const event_id of ['e1', 'e0']) story.tell(failed({ severity: 'low', event_id }));
  expect([story.state('a1')?.counts.low, story.state('a1')?.eventIds.length]).toEqual([102, 100]);
});

test('a failure without an event id is known by its content', () => {
  const story = handler();
  for (const sentAt of [START, START, START + 1]) story.tell(failed({ sentAt }));
  expect(story.state('a1')?.counts.high).toBe(2);
});

test('without id and time, the same words a minute later are another failure', () => {
  const story = handler();
  const words = { agent_id: 'a1', failure_type: 'memory_leak', severity: 'low' };
  for (const after of [0, 59_000, 180_000]) story.tell(received(failure, { severity: 'low' }, words, { sentAt: START + after }));
  expect(story.state('a1')?.counts.low).toBe(2);
});

test('settings that are no list are refused with a sentence', () => {
  expect(settings.safeParse({ RECOVERY_OFF: 'a1' }).error?.issues[0]?.message).toBe('must be a list such as agent:a1,domain:nlp');
});

const stories = fc.array(
  fc.record({
    severity: fc.constantFrom('low', 'medium', 'high', 'critical'),
    event_id: fc.integer({ min: 0, max: 9 }).map((n) => `e${n}`),
    after: fc.integer({ min: 0, max: 30_000 }),
  }),
  { maxLength: 40 },
);

test('whatever is repeated and however it is spread, each event acts once', () => {
  fc.assert(
    fc.property(stories, (events) => {
      const story = handler();
      for (const { after, ...said } of events) story.tell(failed({ ...said, sentAt: story.now() + after }));
      const first = new Map(events.toReversed().map(({ event_id, severity }) => [event_id, severity]));
      const counted = Object.values(story.state('a1')?.counts ?? {}).reduce((sum, count) => sum + count, 0);
      expect(counted).toBe(first.size);
      const recovered = [...first].filter(([, severity]) => severity === 'high' || severity === 'critical').map(([event_id]) => event_id);
      const asked = story.bodies('supervision.recovery').map(({ recovery_plan }) => (recovery_plan as { event_id: string }).event_id);
      expect(asked.toSorted()).toEqual(recovered.toSorted());
    }),
  );
});
