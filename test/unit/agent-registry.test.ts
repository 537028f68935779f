import fc from 'fast-check';
import { expect, test } from 'vitest';
import { agents } from '#functions/agent-registry/decide.ts';
import { find, resolve } from '#functions/agent-registry/queries.ts';
import { settings } from '#functions/agent-registry/settings.ts';
import type { EntityKey } from '#shared/entity/key.ts';
import { type Reader, readerOf } from '#shared/entity/reader.ts';
import type { Store } from '#shared/entity/store.ts';
import { agentAvailable, discoveryFind, discoveryResolve } from '#shared/messages/discovery.ts';
import {
  agentCreated,
  agentDraining,
  agentError,
  agentHeartbeat,
  agentReady,
  agentResumed,
  agentSnapshot,
  agentStarted,
  agentStopped,
  agentSuspended,
  sessionHeartbeat,
} from '#shared/messages/lifecycle.ts';
import { orchestratorBroadcast } from '#shared/messages/orchestrator.ts';
import { health } from '#shared/messages/supervision.ts';
import type { Agent } from '#shared/registry/agent.ts';
import { isMember } from '#shared/registry/lifecycle.ts';
import { readSnapshot } from '#shared/registry/snapshot.ts';
import { drive, received, START } from '#test/support/decide.ts';

const verbs = { created: agentCreated, started: agentStarted, ready: agentReady, stopped: agentStopped, error: agentError };
type Verb = keyof typeof verbs;

const says = (verb: Verb, body: Record<string, unknown> = {}, sentAt = START, agent_id = 'a1') =>
  received(verbs[verb], { agent_id }, { agent_id, ...body }, { sentAt });

const beats = (sentAt: number, body: Record<string, unknown> = {}, agent_id = 'a1') =>
  received(agentHeartbeat, { agent_id }, { agent_id, ...body }, { sentAt });

const registry = (environment: Record<string, string> = {}) => drive(agents, settings.parse(environment));
type Registry = ReturnType<typeof registry>;

/** An agent that became active at START. */
const activeAgent = (profile: Record<string, unknown> = {}, environment = {}): Registry => {
  const story = registry(environment);
  for (const verb of ['created', 'started', 'ready'] as const) story.tell(says(verb, profile));
  return story;
};

const lifecycle = (story: Registry, id = 'a1') => story.state(id)?.lifecycle;
const kept = (story: Registry) => story.bodies('$KV');

test('an agent is created, starts, is ready, and stops', () => {
  const story = registry();
  const path = (['created', 'started', 'ready', 'stopped'] as const).map((verb) => {
    story.tell(says(verb));
    return lifecycle(story);
  });
  expect(path).toEqual(['registered', 'registered', 'active', 'terminated']);
});

test('a ready agent is put into the bucket, a stopped one is deleted from it', () => {
  const story = activeAgent({ capabilities: ['ocr'], metadata: { team: 'x' } });
  story.tell(says('stopped'));
  const subject = '$KV.AGENT_STATE.agent.a1';
  const last_heartbeat = new Date(START).toISOString();
  expect(story.published).toEqual([
    { subject, body: { agent_id: 'a1', status: 'ready', capabilities: ['ocr'], current_load: 0, last_heartbeat, metadata: { team: 'x' } } },
    { subject, raw: { data: '', encoding: 'utf8' }, headers: { 'KV-Operation': ['DEL'] } },
  ]);
});

test.each<[Verb[], Verb, string]>([
  [[], 'ready', 'unregistered'],
  [[], 'error', 'unregistered'],
  [['created', 'ready'], 'created', 'active'],
  [['created', 'ready'], 'started', 'active'],
  [['created', 'stopped'], 'ready', 'terminated'],
  [['created', 'stopped'], 'error', 'terminated'],
])('after %j, "%s" is refused and said: the agent stays %s', (path, verb, state) => {
  const story = registry();
  for (const step of path) story.tell(says(step));
  const before = story.state('a1');
  story.tell(says(verb));
  expect(story.state('a1')).toEqual(before);
  expect(story.bodies('alerts.low')).toMatchObject([
    { summary: `agent a1 is ${state}: "${verb}" is refused there and its state stays`, agent_ids: ['a1'] },
  ]);
});

test('the same event twice costs one write', () => {
  const story = activeAgent();
  const writes = story.writes();
  for (const verb of ['ready', 'ready'] as const) story.tell(says(verb));
  expect(story.writes()).toBe(writes);
});

test('another instance under the id of an active agent is a new incarnation', () => {
  const story = activeAgent({ instance_id: 'i1', capabilities: ['ocr'] });
  story.tell(says('created', { instance_id: 'i2', capabilities: ['ner'] }, START + 1));
  expect(story.state('a1')).toMatchObject({
    lifecycle: 'registered',
    lastSeen: null,
    profile: { instance_id: 'i2', capabilities: ['ner'] },
  });
  expect([...story.children('a1').keys()]).toEqual(['lookup/agent.capability=ner']);
});

const commandedTo = (message: typeof agentSuspended | typeof agentResumed | typeof agentDraining, body: object = {}) =>
  received(message as typeof agentDraining, { agent_id: 'a1' }, { agent_id: 'a1', command_id: 'c1', ...body });

test('an agent that answered a pause is suspended and shown as paused, until it answered a resume', () => {
  const story = activeAgent();
  story.tell(beats(START, { status: 'paused' }));
  story.tell(commandedTo(agentSuspended));
  expect([lifecycle(story), kept(story).at(-1)?.status]).toEqual(['suspended', 'paused']);
  story.tell(commandedTo(agentResumed));
  expect([lifecycle(story), kept(story).at(-1)?.status]).toEqual(['active', 'ready']);
});

test('an agent that is shut down drains, and is gone at its deadline, or when it stops', () => {
  const until = (time: number) => ({ deadline: new Date(time).toISOString() });
  const [late, quick] = [activeAgent(), activeAgent()];
  for (const story of [late, quick]) story.tell(commandedTo(agentDraining, until(START + 60_000)));
  expect([lifecycle(late), kept(late).at(-1)?.status]).toEqual(['draining', 'busy']);
  late.tell(commandedTo(agentDraining, until(START + 90_000)));
  late.until(START + 89_000);
  expect(lifecycle(late)).toBe('draining');
  late.until(START + 90_000);
  quick.tell(says('stopped', {}, START + 1000));
  expect([late.state('a1'), lifecycle(quick)]).toMatchObject([{ lifecycle: 'terminated', reason: 'drained' }, 'terminated']);
});

test.each([[agentSuspended], [agentResumed], [agentDraining]])(
  'a command that it answered makes nothing of an agent that is not there',
  (message) => {
    const gone = activeAgent();
    gone.tell(says('stopped'));
    for (const story of [registry(), gone]) expect(story.tell(commandedTo(message))).toEqual({ outcome: 'done' });
  },
);

test('what an incarnation says after it was replaced changes nothing', () => {
  const story = activeAgent({ instance_id: 'i1' });
  for (const verb of ['created', 'ready'] as const) story.tell(says(verb, { instance_id: 'i2' }));
  expect(story.tell(says('stopped', { instance_id: 'i1' }))).toEqual({ outcome: 'done' });
});

test('a terminated agent may be created again', () => {
  const story = activeAgent();
  for (const verb of ['stopped', 'created', 'ready'] as const) story.tell(says(verb));
  expect(lifecycle(story)).toBe('active');
});

test('an error keeps an agent active and shows in the bucket until a heartbeat says otherwise', () => {
  const story = activeAgent();
  story.tell(says('error', { error: 'out of disk' }));
  story.tell(beats(START + 1000, { status: 'ready' }));
  expect([lifecycle(story), kept(story).map((entry) => entry.status)]).toEqual(['active', ['ready', 'error', 'ready']]);
});

test('an agent first seen by a heartbeat is listed as unregistered', () => {
  const story = registry();
  story.tell(beats(START));
  expect([story.state('a1')?.lifecycle, story.state('a1')?.lastSeen, story.published]).toEqual(['unregistered', START, []]);
});

test('an announcement of an unknown agent begins its registration', () => {
  const story = registry();
  story.tell(received(agentAvailable, {}, { agent_id: 'a1', domain: 'nlp' }));
  expect([lifecycle(story), story.stateOf('domain#nlp')]).toEqual(['registering', { members: 1 }]);
  story.tell(says('ready'));
  expect(lifecycle(story)).toBe('active');
});

test('heartbeats every second are written, and mirrored, every 200 s', () => {
  const story = activeAgent();
  const writes = story.writes();
  for (let second = 1; second <= 600; second++) story.tell(beats(START + second * 1000));
  expect(story.writes() - writes).toBe(3);
  expect(kept(story)).toHaveLength(4);
});

test('a load that moved by 0.2 is written after 10 s, one that moved less is not', () => {
  const story = activeAgent();
  for (const [ms, current_load] of [
    [9999, 0.9],
    [10_000, 0.19],
    [10_001, 0.2],
    [20_000, 0.9],
    [20_001, 0.2],
  ] as const)
    story.tell(beats(START + ms, { current_load }));
  expect(kept(story).map(({ current_load }) => current_load)).toEqual([0, 0.2]);
});

test('a change of status is written at once, with the load', () => {
  const story = activeAgent();
  story.tell(beats(START + 1000, { status: 'busy', current_load: 0.9 }));
  expect(kept(story).at(-1)).toMatchObject({ status: 'busy', current_load: 0.9 });
});

const judged = (state: string, sentAt = START) => received(health, { agent_id: 'a1' }, { agent_id: 'a1', status: { state } }, { sentAt });

test('the health monitor says who is responsive: heartbeats do not', () => {
  const story = activeAgent();
  const path = [judged('unresponsive'), beats(START + 130_000), judged('healthy'), judged('degraded')].map((event) => {
    story.tell(event);
    return story.state('a1')?.responsive;
  });
  expect(path).toEqual([false, false, true, true]);
});

test('an agent that falls silent leaves the bucket by itself: its entry is not renewed', () => {
  const story = activeAgent();
  story.tell(judged('unresponsive'));
  expect(kept(story)).toHaveLength(1);
});

test('what is said of the health of an agent that is not known, or that left, changes nothing', () => {
  const story = registry();
  expect(story.tell(judged('unresponsive'))).toEqual({ outcome: 'done' });
  for (const verb of ['created', 'stopped'] as const) story.tell(says(verb));
  expect(story.tell(judged('unresponsive'))).toEqual({ outcome: 'done' });
});

test('an agent that is unresponsive while it drains has left its domain', () => {
  const story = activeAgent({ domain: 'nlp' });
  const draining = { ...(story.state('a1') as Agent), lifecycle: 'draining' as const };
  const also = () => ({ members: 1 });
  const context = { now: START, id: 'a1', wakeAt: null, settings: settings.parse({}), also } as unknown as Parameters<
    typeof agents.decide
  >[2];
  expect(agents.also?.(draining, judged('unresponsive'), undefined)).toEqual(['domain#nlp']);
  expect(agents.decide(draining, judged('unresponsive'), context)).toMatchObject({
    state: { lifecycle: 'terminated', reason: 'silent' },
    also: { 'domain#nlp': { members: 0 } },
  });
});

const session = { agent: 'coder', owner: 'kim', session: 's1' };

test('a session of the Synadia protocol is an active agent, with what its heartbeat says', () => {
  const story = registry();
  story.tell(received(sessionHeartbeat, session, { ...session, instance_id: 'i1', interval_s: 30 }));
  expect(story.state('coder-kim-s1')).toMatchObject({
    profile: { agent_id: 'coder-kim-s1', name: 'coder', instance_id: 'i1', metadata: { owner: 'kim', session: 's1' } },
    lifecycle: 'active',
    lastSeen: START,
  });
});

const busBeat = (sentAt: number) =>
  received(orchestratorBroadcast, { message_type: 'heartbeat' }, { from_agent: 'a1', message_type: 'heartbeat' }, { sentAt });

test('an agent of document 004 is active by its heartbeat, also when it comes back after a day', () => {
  const story = registry();
  story.tell(busBeat(START));
  expect(lifecycle(story)).toBe('active');
  story.until(START + 25 * 3_600_000);
  expect(story.state('a1')?.reason).toBe('silent');
  story.tell(busBeat(START + 26 * 3_600_000));
  expect(lifecycle(story)).toBe('active');
});

test('a heartbeat on the bus does not make an agent active that registers itself, nor one that has just stopped', () => {
  const story = registry();
  story.tell(says('created'));
  story.tell(busBeat(START + 1));
  expect(lifecycle(story)).toBe('registered');
  story.tell(says('stopped', {}, START + 2));
  story.tell(busBeat(START + 3));
  expect(lifecycle(story)).toBe('terminated');
});

const snapshot = (of: unknown, sentAt = START) => received(agentSnapshot, { agent_id: 'a1' }, { agent_id: 'a1', snapshot: of }, { sentAt });

test('the last snapshot of an agent is kept, whatever order they come in', async () => {
  const story = activeAgent();
  for (const [of, at] of [
    ['first', 1],
    ['last', 3],
    ['late', 2],
  ] as const)
    story.tell(snapshot(of, START + at));
  const children = async (_: unknown, id: string) => story.children(id);
  expect(await readSnapshot({ children } as unknown as Reader, 'a1')).toEqual({ at: START + 3, snapshot: 'last' });
});

test('a snapshot that is too large is refused with a sentence', () => {
  const story = activeAgent();
  expect(story.tell(snapshot('x'.repeat(65_535)))).toMatchObject({
    outcome: 'deadLetter',
    reason: { message: 'the snapshot of agent a1 has 65537 bytes, 65536 are kept: put what is large elsewhere and send where' },
  });
});

test('a registered agent that never came is not missed', () => {
  const story = registry();
  story.tell(says('created'));
  story.until(START + 3_600_000);
  expect(story.published).toEqual([]);
});

test('an agent that is silent for a day gives its place in the domain back', () => {
  const story = activeAgent({ domain: 'nlp' });
  story.until(START + 24 * 3_600_000);
  expect([story.state('a1')?.lifecycle, story.state('a1')?.reason, story.stateOf('domain#nlp')]).toEqual([
    'terminated',
    'silent',
    { members: 0 },
  ]);
});

test('an alarm that rings far too late forgets nobody: heartbeats were lost meanwhile', () => {
  const story = activeAgent();
  story.until(START + 24 * 3_600_000, 600_000);
  expect(lifecycle(story)).toBe('active');
  story.until(START + 25 * 3_600_000);
  expect(lifecycle(story)).toBe('terminated');
});

test('an alarm that nobody set changes nothing', () => {
  const story = activeAgent();
  expect([story.ring('a1'), story.ring('unknown')]).toEqual([{ outcome: 'done' }, { outcome: 'done' }]);
});

test('a full domain refuses an agent, says so, and lists it as unregistered', () => {
  const story = registry({ DOMAIN_LIMIT: '5', DOMAIN_LIMITS: 'nlp=1' });
  for (const id of ['a1', 'a2']) story.tell(says('created', { domain: 'nlp' }, START, id));
  expect([lifecycle(story, 'a1'), lifecycle(story, 'a2'), story.stateOf('domain#nlp')]).toEqual([
    'registered',
    'unregistered',
    { members: 1 },
  ]);
  expect(story.bodies('alerts.medium')).toMatchObject([
    { summary: 'agent a2 is refused: domain nlp has its 1 agents; stop one of them or raise DOMAIN_LIMITS' },
  ]);
});

test('a refused agent that is created again when there is room is like any other', () => {
  const story = registry({ DOMAIN_LIMIT: '1' });
  for (const id of ['a1', 'a2']) story.tell(says('created', { domain: 'nlp' }, START, id));
  expect(story.state('a2')?.reason).toBe('domain nlp is full');
  story.tell(says('stopped', {}, START, 'a1'));
  story.tell(says('created', { domain: 'nlp' }, START, 'a2'));
  expect([lifecycle(story, 'a2'), story.state('a2')?.reason]).toEqual(['registered', undefined]);
});

test('an agent that moves to another domain leaves the one it was in', () => {
  const story = activeAgent({ domain: 'nlp', instance_id: 'i1' });
  story.tell(says('created', { domain: 'vision', instance_id: 'i2' }));
  expect([story.stateOf('domain#nlp'), story.stateOf('domain#vision')]).toEqual([{ members: 0 }, { members: 1 }]);
});

const ids = ['a1', 'a2', 'a3'];
const domains = ['nlp', 'vision'] as const;
const anything = fc.oneof(
  fc
    .record({
      verb: fc.constantFrom<Verb>('created', 'started', 'ready', 'stopped', 'error'),
      id: fc.constantFrom(...ids),
      domain: fc.constantFrom(undefined, ...domains),
      instance_id: fc.constantFrom(undefined, 'i1', 'i2'),
    })
    .map(
      ({ verb, id, ...body }) =>
        (story: Registry) =>
          void story.tell(says(verb, body, story.now(), id)),
    ),
  fc.constantFrom(...ids).map((id) => (story: Registry) => void story.tell(beats(story.now(), {}, id))),
  fc.tuple(fc.constantFrom(...ids), fc.constantFrom(...domains)).map(
    ([agent_id, domain]) =>
      (story: Registry) =>
        void story.tell(received(agentAvailable, {}, { agent_id, domain }, { sentAt: story.now() })),
  ),
  fc.constantFrom(1000, 90_000, 24 * 3_600_000).map((ms) => (story: Registry) => story.until(story.now() + ms)),
);

const known = (story: Registry): Agent[] => ids.flatMap((id) => story.state(id) ?? []);

test('whatever happens, a domain counts its members and never has more than its limit', () => {
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 40 }), (steps) => {
      const story = registry({ DOMAIN_LIMIT: '2' });
      for (const step of steps) {
        step(story);
        for (const domain of domains) {
          const members = known(story).filter((agent) => agent.profile.domain === domain && isMember(agent.lifecycle)).length;
          expect((story.stateOf(`domain#${domain}`) as { members: number } | undefined)?.members ?? 0).toBe(members);
          expect(members).toBeLessThanOrEqual(2);
        }
      }
    }),
  );
});

test('whatever happens, an agent is found by what it has and by nothing else', () => {
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 40 }), (steps) => {
      const story = registry();
      for (const step of steps) step(story);
      for (const agent of known(story)) {
        const domain = isMember(agent.lifecycle) && agent.profile.domain;
        const names = [...story.children(agent.profile.agent_id).keys()];
        expect(names).toEqual(domain ? [`lookup/agent.domain=${domain}`] : []);
      }
    }),
  );
});

/** As much of a store as discovery needs, over the agents of a story. */
const storeOf = (story: Registry, all: string[]): Store => {
  const found = (value: string) =>
    all.filter((id) => value === agents.of.lookup?.(story.state(id) as Agent) || story.children(id).has(`lookup/${value}`)).sort();
  return {
    load: async (keys: EntityKey[]) =>
      new Map(keys.flatMap((key) => (story.stateOf(key) ? [[key, { key, schema: 1, state: story.stateOf(key) }] as const] : []))),
    lookup: async (value: string, { after = '', limit = 100 } = {}) =>
      found(value)
        .map((id) => `agent#${id}` as const)
        .filter((key) => key > after)
        .slice(0, limit),
  } as unknown as Store;
};

const fleet = (): Registry => {
  const story = registry();
  const load = { a1: 0.7, a2: 0.2, a3: 0.5 };
  for (const [id, current_load] of Object.entries(load)) {
    story.tell(says('created', { domain: id === 'a3' ? 'vision' : 'nlp', capabilities: ['ocr'], zone: 'z1' }, START, id));
    story.tell(says('ready', { current_load }, START, id));
  }
  story.tell(says('error', {}, START, 'a2'));
  return story;
};

const ask = async (wanted: Record<string, unknown>): Promise<string[]> => {
  const request = received(discoveryFind, {}, wanted);
  const answer = find.answer(await find.read(request, readerOf(storeOf(fleet(), ids))), request, 0);
  return 'body' in answer ? (answer.body as { agents: { agent_id: string }[] }).agents.map(({ agent_id }) => agent_id) : [];
};

test.each([
  [{}, ['a3', 'a1', 'a2']],
  [{ capability: 'ocr', healthy: true }, ['a3', 'a1']],
  [{ healthy: false }, ['a2']],
  [{ domain: 'nlp' }, ['a1', 'a2']],
  [{ capability: 'ocr', domain: 'vision', zone: 'z1' }, ['a3']],
  [{ zone: 'elsewhere' }, []],
  [{ capability: 'none' }, []],
  [{ limit: 1 }, ['a3']],
])('find %j answers the healthy first, the least loaded first: %j', async (wanted, expected) => {
  expect(await ask(wanted)).toEqual(expected);
});

test('resolve answers the agent, or a sentence', async () => {
  const store = storeOf(activeAgent({ domain: 'nlp', version: '1.2.0' }), ['a1']);
  const [known, unknown] = await Promise.all(
    ['a1', 'a9'].map(async (agent_id) => {
      const request = received(discoveryResolve, {}, { agent_id });
      return resolve.answer(await resolve.read(request, readerOf(store)), request, 0);
    }),
  );
  expect(known).toMatchObject({ body: { agent: { agent_id: 'a1', domain: 'nlp', version: '1.2.0', state: 'active', healthy: true } } });
  expect(unknown).toMatchObject({ error: { code: 'not_found' } });
});

test('settings that are no list are refused with a sentence', () => {
  expect(settings.safeParse({ DOMAIN_LIMITS: 'nlp' }).error?.issues[0]?.message).toBe('must be a list such as nlp=2000,vision=50');
});
