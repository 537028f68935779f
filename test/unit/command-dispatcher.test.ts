import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Command, PAGE, type Said } from '#functions/command-dispatcher/command.ts';
import { commands } from '#functions/command-dispatcher/decide.ts';
import { pageToWire } from '#functions/command-dispatcher/outputs.ts';
import { show } from '#functions/command-dispatcher/queries.ts';
import { settings } from '#functions/command-dispatcher/settings.ts';
import type { View } from '#functions/command-dispatcher/targets.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { agentResponse, commandAnswer } from '#shared/messages/command.ts';
import { controlCommandSend, controlCommandShow, controlHealthCheck } from '#shared/messages/control-coordination.ts';
import { healthCheckAll } from '#shared/messages/health-check.ts';
import { agentCommand } from '#shared/messages/phase2.ts';
import type { Agent } from '#shared/registry/agent.ts';
import { drive, received, START } from '#test/support/decide.ts';

const INBOX = '_INBOX.kim.1';
const idsOf = (size: number) => Array.from({ length: size }, (_, n) => `a${n}`);

/** A fleet of so many, and a dispatcher that has not been asked anything. */
const fleet = (size: number, attempts = '5') => {
  const ids = idsOf(size);
  const pages = { get: (key: string) => story.children(key.split('/')[0] as string).get(`targets/${key.split('/')[1]?.padStart(4, '0')}`) };
  const view = { resolved: { get: () => ids }, pages } as unknown as View;
  const story = drive(commands, settings.parse({ COMMAND_ATTEMPTS: attempts }), view);
  return story;
};
type Story = ReturnType<typeof fleet>;

const send = (body: object = {}, more: object = {}) =>
  received(
    controlCommandSend,
    {},
    { command_id: 'c1', command: 'pause', to: { all: true }, by: 'kim', ...body },
    { reply: INBOX, ...more },
  );
const bytes = (body: unknown) => ({ data: JSON.stringify(body), encoding: 'utf8' as const });
const answer = (n: number, body: unknown = { status: 'ok' }, more: object = {}) =>
  received(commandAnswer, { command_id: 'c1', index: String(n), agent_id: `a${n}` }, bytes(body), { sentAt: START + 10, ...more });

const commanded = (story: Story) => story.published.flatMap(({ subject }) => /^agent\.(\w+)\.cmd\./.exec(subject)?.[1] ?? []);
const answersTo = (story: Story) => story.bodies('_INBOX');

describe('a command', () => {
  test('goes to each target, with its id and a reply subject of its own', () => {
    const story = fleet(2);
    story.tell(send({ reason: 'upgrade' }));
    const body = { reason: 'upgrade', command_id: 'c1' };
    expect(story.published).toEqual([
      { subject: 'agent.a0.cmd.pause', body, reply: 'command.answer.c1.0.a0' },
      { subject: 'agent.a1.cmd.pause', body, reply: 'command.answer.c1.1.a1' },
    ]);
  });

  test('is answered when all have answered', () => {
    const story = fleet(2);
    story.tell(send({ command: 'status' }));
    story.tell(answer(1, 'text'));
    expect(answersTo(story)).toEqual([]);
    story.tell(answer(0));
    expect(answersTo(story)).toEqual([
      {
        command_id: 'c1',
        command: 'status',
        status: 'complete',
        counts: { targets: 2, answered: 2, missing: 0 },
        answered: [
          { agent_id: 'a0', response: { status: 'ok' } },
          { agent_id: 'a1', response: 'text' },
        ],
        missing: [],
      },
    ]);
  });

  test('is sent again to who did not answer, slower each time, and names who is missing at its deadline', () => {
    const story = fleet(2);
    story.tell(send({ timeout_ms: 60_000 }));
    story.tell(answer(0));
    const times: number[] = [];
    for (let at = START; at <= START + 60_000; at += 1000) {
      const before = commanded(story).length;
      story.until(at);
      if (commanded(story).length > before) times.push((at - START) / 1000);
    }
    expect([times, commanded(story).slice(2)]).toEqual([
      [2, 6, 14, 30],
      ['a1', 'a1', 'a1', 'a1'],
    ]);
    expect(answersTo(story)).toMatchObject([{ status: 'timed_out', missing: ['a1'] }]);
  });

  test('waits no longer than its requester', () => {
    const story = fleet(1);
    story.tell(send({}, { headers: { 'X-Deadline': [new Date(START + 1000).toISOString()] } }));
    story.until(START + 700);
    expect(answersTo(story)).toMatchObject([{ status: 'timed_out' }]);
  });

  test.each([
    ['pause', 'suspended', {}],
    ['resume', 'resumed', {}],
    ['shutdown', 'draining', { deadline: '2026-01-01T00:01:00Z' }],
  ])('%s is told to the registry when the agent has answered, not when it refused or did not answer', (command, verb, more) => {
    const story = fleet(4);
    story.tell(send({ command, ...more }));
    story.tell(answer(0));
    story.tell(answer(1, { status: 'failed', error: 'busy' }));
    story.tell(answer(2, '', { headers: { 'Nats-Service-Error': ['no'] } }));
    const told = story.published.filter(({ subject }) => subject.endsWith(verb));
    expect(told).toEqual([{ subject: `agent.a0.${verb}`, body: { agent_id: 'a0', command_id: 'c1', ...more } }]);
  });

  test('an agent that answers too late is what it says it is, and the requester is not told again', () => {
    const story = fleet(1);
    story.tell(send({ timeout_ms: 1000 }));
    story.until(START + 1000);
    story.tell(answer(0, {}, { sentAt: START + 5000 }));
    expect([answersTo(story).length, story.published.at(-1)?.subject]).toEqual([1, 'agent.a0.suspended']);
  });

  test('an agent that answers elsewhere is counted by the id that it repeats', () => {
    const story = fleet(1);
    story.tell(send());
    const params = { agent_id: 'a0', request: 'pause' };
    story.tell(received(agentResponse, params, bytes({ command_id: 'c1', done: true })));
    expect(answersTo(story)).toMatchObject([{ answered: [{ agent_id: 'a0', response: { done: true } }] }]);
  });

  test('that is asked for twice is sent once, and answers whoever asked last', () => {
    const story = fleet(1);
    story.tell(send());
    story.tell(send({}, { reply: '_INBOX.kim.2' }));
    story.tell(answer(0));
    expect([commanded(story), story.published.at(-1)?.subject]).toEqual([['a0'], '_INBOX.kim.2']);
    expect(story.tell(send())).toMatchObject({ reply: { body: { status: 'complete' } } });
    for (const other of [{ command: 'resume' }, { to: { domain: 'nlp' } }, { reason: 'another' }])
      expect(story.tell(send(other))).toMatchObject({ reply: { error: { code: 'invalid_command_id' } } });
  });

  test('answers more than fits a message by size only, and more than fits its state from children', () => {
    const story = fleet(4);
    story.tell(send({ command: 'status' }));
    for (const [n, size] of [60_000, 60_000, 70_000, 60_000].entries()) story.tell(answer(n, 'x'.repeat(size)));
    expect([...story.children('c1')]).toEqual([
      ['said/0000/00002', { bytes: 70_015 }],
      ['said/0000/00003', { response: 'x'.repeat(60_000) }],
    ]);
  });
});

test.each([
  ['nobody is there', 0, {}, 'not_found'],
  ['there are too many', 10_001, {}, 'too_many'],
  ['its payload is too large', 1, { payload: 'x'.repeat(70_000) }, 'invalid_payload'],
])('a command is refused where %s', (_, size, body, code) => {
  const story = fleet(size);
  expect(story.tell(send(body))).toMatchObject({ reply: { error: { code } } });
  expect(story.published).toEqual([]);
});

test.each([
  ['nothing', {}],
  ['two ways at once', { all: true, domain: 'nlp' }],
])('the targets may not be named by %s', (_, to) => {
  expect(controlCommandSend.body.safeParse({ command: 'pause', by: 'kim', to }).success).toBe(false);
});

test.each([
  ['the command', { command_id: 'c'.repeat(101), to: { all: true } }],
  ['an agent', { to: { agent_ids: ['a'.repeat(131)] } }],
])('the id of %s has to fit the subject of an answer', (_, body) => {
  expect(controlCommandSend.body.safeParse({ command: 'pause', by: 'kim', ...body }).success).toBe(false);
});

test('an agent whose id is too long for that keeps nobody else from being commanded', async () => {
  const ids = ['a1', 'a'.repeat(131), 'a2'];
  const agent = (agent_id: string) => ({ profile: { agent_id, domain: 'nlp', capabilities: [] }, lifecycle: 'active' }) as unknown as Agent;
  const reader = { lookup: async () => ids, load: async () => new Map(ids.map((id) => [id, agent(id)])) } as unknown as Reader;
  expect((await commands.read?.([send()], reader))?.resolved.get('c1')).toEqual(['a1', 'a2']);
});

test.each([
  [healthCheckAll, {}],
  [controlHealthCheck, { domain: 'nlp' }],
])('a health check asks every agent, and says within 2 s how they are and who is missing', (message, body) => {
  const story = fleet(2);
  const request = received(message as typeof controlHealthCheck, {}, body, { reply: INBOX });
  story.tell(request);
  const id = story.published[0]?.reply?.split('.')[2] as string;
  const params = { command_id: id, index: '1', agent_id: 'a1' };
  story.tell(received(commandAnswer, params, bytes({ agent_id: 'a1', status: 'ready' })));
  story.until(START + 2000);
  expect(answersTo(story)).toMatchObject([{ agents: [{ agent_id: 'a1', status: 'ready' }], missing: ['a0'] }]);
});

test('a fleet without agents is healthy', () => {
  expect(fleet(0).tell(received(healthCheckAll, {}, {}, { reply: INBOX }))).toMatchObject({ reply: { body: { agents: [], missing: [] } } });
});

test.each([
  [{ command: 'stop', agent_id: 'a0' }, 'agent.a0.cmd.shutdown', {}],
  [{ command: 'status', agent_id: 'a0' }, 'agent.a0.cmd.status', {}],
  [{ command: 'input', agent_id: 'a0', data: 'hi' }, 'agent.a0.cmd.execute', { payload: { data: 'hi' } }],
  [{ command: 'spawn', agent_id: 'a0' }, undefined, undefined],
  [{ command: 'stop' }, undefined, undefined],
])('of phase 2, %j is %s', (body, subject, sent) => {
  const story = fleet(1);
  story.tell(received(agentCommand, {}, body));
  expect(story.published).toMatchObject(subject === undefined ? [] : [{ subject, body: sent }]);
});

describe('a large fan-out', () => {
  test('is sent a page at a time, is small in the table, and shown page by page', () => {
    const story = fleet(10_000);
    story.tell(send({ command: 'status', timeout_ms: 600_000 }));
    expect(commanded(story)).toEqual(idsOf(PAGE));
    story.until(START + 1);
    expect(commanded(story)).toEqual(idsOf(10_000));
    for (let n = 0; n < 10_000; n += 20) story.tell(answer(n));
    expect(JSON.stringify(story.state('c1')).length).toBeLessThan(40_000);
    const ids = story.children('c1').get('targets/0007') as string[];
    const { missing } = pageToWire(story.state('c1') as Command, 7, ids);
    expect(missing).toEqual(ids.filter((_, n) => n % 20 !== 0));
  });

  test('with a large payload publishes little at a time', () => {
    const story = fleet(100);
    story.tell(send({ payload: 'x'.repeat(60_000) }));
    expect(commanded(story).length).toBe(16);
    story.until(START + 1);
    expect(commanded(story)).toEqual(idsOf(100));
  });

  test('reaches everybody though its time is over before it was sent to all, and says at its deadline who has not answered', () => {
    const story = fleet(100);
    story.tell(send({ payload: 'x'.repeat(60_000), timeout_ms: 1000 }));
    story.until(START + 60_000, 400);
    expect([commanded(story), story.wakeAt('c1')]).toEqual([idsOf(100), null]);
    expect(answersTo(story)).toMatchObject([{ status: 'timed_out', counts: { missing: 100 } }]);
  });

  test('that moved on since its page was read goes on after what is known', () => {
    const story = fleet(PAGE + 1);
    story.tell(send());
    const stale = drive(commands, settings.parse({}), { resolved: new Map([['c1', idsOf(PAGE + 1)]]), pages: new Map() });
    stale.tell(send());
    stale.ring('c1');
    expect([commanded(stale).length, stale.wakeAt('c1')]).toEqual([PAGE, START]);
  });
});

test('a page that is not there is refused with a sentence', () => {
  const command = { size: 1, verb: 'pause', answered: '', said: {}, count: 0 } as unknown as Command;
  const request = received(controlCommandShow, {}, { command_id: 'c1', page: 1 });
  const found = { command, ids: [], more: new Map() };
  expect(show.answer(found, request, 0)).toMatchObject({ error: { code: 'no_such_page' } });
  expect(show.answer(undefined, request, 0)).toMatchObject({ error: { code: 'not_found' } });
});

test('a page shows what fits a message, and of the rest how large it is', () => {
  const story = fleet(20);
  story.tell(send({ command: 'status' }));
  for (let n = 0; n < 20; n++) story.tell(answer(n, 'x'.repeat(60_000)));
  const more = new Map([...story.children('c1')].map(([name, said]) => [Number(name.split('/')[2]), said as Said]));
  const found = { command: story.state('c1') as Command, ids: idsOf(20), more };
  const shown = JSON.stringify(show.answer(found, received(controlCommandShow, {}, { command_id: 'c1' }), 0));
  expect([shown.length < 1_000_000, shown.includes('{"agent_id":"a19","bytes":60015}')]).toEqual([true, true]);
});

const happening = fc.oneof(
  fc.record({ answers: fc.nat(1300) }),
  fc.record({ passes: fc.nat(3000) }),
  fc.record({ sentAgain: fc.constant(true) }),
  fc.record({ rings: fc.constant(true) }),
);

test('whatever comes, in whatever order: each target is commanded, each answer counts once, and the command ends once', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1300 }), fc.array(happening, { maxLength: 40 }), (size, happenings) => {
      const story = fleet(size);
      story.tell(send());
      const answered = new Set<number>();
      for (const one of happenings) {
        if ('answers' in one) {
          const before = story.now();
          story.tell(answer(one.answers, {}, { sentAt: before }));
          if (one.answers < size) answered.add(one.answers);
        } else if ('passes' in one) story.until(story.now() + one.passes);
        else if ('sentAgain' in one) story.tell(send());
        else story.ring('c1');
      }
      story.until(START + 200_000);
      // Who answered before it was asked is not asked.
      const sent = new Set(commanded(story));
      expect(idsOf(size).filter((id, n) => !answered.has(n) && !sent.has(id))).toEqual([]);
      expect(story.state('c1')).toMatchObject({ count: answered.size, closedAt: expect.any(Number) });
      expect(answersTo(story).length).toBe(1);
      expect(story.published.filter(({ subject }) => subject.endsWith('.suspended')).length).toBe(answered.size);
      expect(story.wakeAt('c1')).toBe(null);
    }),
    { numRuns: 30 },
  );
});
