/** The three patterns that failures of the fleet make: failure_spike, cascading_failure, network_partition. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { censusOf } from '#functions/pattern-detector/census.ts';
import { outbreaks, type View } from '#functions/pattern-detector/decide.ts';
import { settings } from '#functions/pattern-detector/settings.ts';
import { failure } from '#shared/messages/supervision.ts';
import { type Agent, profileSchema } from '#shared/registry/agent.ts';
import { EMPTY_TREE } from '#shared/supervision/tree.ts';
import { drive, received, START } from '#test/support/decide.ts';
import { randomOf } from '#test/support/noise.ts';

const agentOf = (agent_id: string, profile: object = {}, responsive = true): Agent => ({
  profile: profileSchema.parse({ agent_id, capabilities: [], metadata: {}, ...profile }),
  lifecycle: 'active',
  since: START,
  lastSeen: START,
  responsive,
  status: 'ready',
  load: 0,
  activeTasks: 0,
});

/** Forty agents of ten domains and four zones; an agent depends on the one before it in its domain. */
const FLEET = Array.from({ length: 40 }, (_, n) => {
  const depends_on = n % 4 === 0 ? [] : [`a${n - 1}`];
  return agentOf(`a${n}`, { domain: `d${Math.floor(n / 4)}`, zone: `z${n % 4}`, metadata: { depends_on } });
});
const ZONE = FLEET.filter(({ profile }) => profile.zone === 'z1').map(({ profile }) => profile.agent_id);

const viewOf = (fleet: readonly Agent[], sample = fleet): View => {
  const where = { tree: EMPTY_TREE, places: new Map() };
  return { agents: new Map(fleet.map((agent) => [agent.profile.agent_id, agent])), where, census: censusOf(fleet, sample, where, START) };
};

const story = (rules: object = {}, fleet = FLEET) =>
  drive(outbreaks, settings.parse({ PATTERN_RULES: JSON.stringify(rules) }), viewOf(fleet));
type Story = ReturnType<typeof story>;

let events = 0;
const failed = (agent_id: string, after = 0, failure_type = 'process_crash', event_id = `e${++events}`) =>
  received(failure, { severity: 'high' }, { agent_id, failure_type, severity: 'high', event_id }, { sentAt: START + after });

/** An agent, and when (ms). */
const fail = (on: Story, failures: readonly (readonly [agent: string, after: number])[], type?: string) => {
  for (const [agent, after] of failures) on.tell(failed(agent, after, type));
};
const six = (agent = 'a1', every = 1000) => Array.from({ length: 6 }, (_, n) => [agent, n * every] as const);
const patterns = (on: Story) => on.bodies('supervision.events').map((body) => `${body.pattern_type} ${body.phase}`);

describe('failure_spike', () => {
  test('is more than five failures of an agent within a minute', () => {
    const on = story();
    fail(on, six().slice(0, 5));
    expect(patterns(on)).toEqual([]);
    fail(on, [['a1', 5000]]);
    expect(on.bodies('supervision.events')).toEqual([
      {
        type: 'pattern',
        episode_id: on.state('main')?.episodes[0]?.id,
        phase: 'detected',
        pattern_type: 'failure_spike',
        affected_agents: ['a1'],
        confidence: 1,
        started_at: new Date(START).toISOString(),
        detected_at: new Date(START + 5000).toISOString(),
        summary: 'agent a1 failed more than 5 times within 60 s',
        evidence: { failures: 6, window_ms: 60_000, earlier_failures: 0, p: expect.any(Number) },
        recommended_action: { action: 'escalate', agents: ['a1'], reason: 'restarting it has not helped so far' },
      },
    ]);
  });

  test('is not six failures in an hour, nor one that is told six times', () => {
    const on = story();
    fail(on, six('a1', 600_000));
    for (let n = 0; n < 6; n++) on.tell(failed('a2', 3_600_000 + n, 'process_crash', 'same'));
    expect(patterns(on)).toEqual([]);
  });

  test('is not what an agent does all the time: its own baseline counts', () => {
    const on = story();
    const rhythm = Array.from({ length: 60 }, (_, n) => ['a1', n * 10_000] as const);
    fail(on, rhythm);
    const told = patterns(on).length;
    fail(
      on,
      rhythm.map(([agent, after]) => [agent, after + 1_200_000]),
    );
    expect(
      patterns(on)
        .slice(told)
        .filter((one) => one.endsWith('detected')),
    ).toEqual([]);
  });

  test('is found in thirty bursts of thirty, each of an agent that fails now and then, and in none before its burst', () => {
    const outcome = (seed: number) => {
      const random = randomOf(seed);
      const before = Array.from({ length: 20 }, () => random.between(0, 3_600_000)).toSorted((a, b) => a - b);
      const on = story();
      fail(
        on,
        before.map((after) => ['a1', after]),
      );
      const early = patterns(on).length;
      fail(
        on,
        Array.from({ length: 8 }, (_, n) => ['a1', 3_700_000 + n * random.between(500, 4000)] as const).toSorted(([, a], [, b]) => a - b),
      );
      return { early, found: patterns(on).includes('failure_spike detected') };
    };
    const outcomes = Array.from({ length: 30 }, (_, n) => outcome(n + 1));
    expect(outcomes).toEqual(Array(30).fill({ early: 0, found: true }));
  });

  test('of many agents with failures at random is found about as often as its p-value says', () => {
    const random = randomOf(3);
    const on = story();
    const times = Array.from({ length: 600 }, () => [`a${random.between(0, 19)}`, random.between(0, 3_600_000)] as const);
    fail(
      on,
      times.toSorted(([, a], [, b]) => a - b),
    );
    expect(patterns(on).filter((one) => one.startsWith('failure_spike'))).toEqual([]);
  });
});

describe('cascading_failure', () => {
  const chain = (domain: number, every = 1000) => [0, 1, 2, 3].map((n) => [`a${domain * 4 + n}`, n * every] as const);

  test('follows declared dependencies in time, and names where it began', () => {
    const on = story();
    fail(on, chain(2));
    expect(on.bodies('supervision.events').at(-1)).toMatchObject({
      pattern_type: 'cascading_failure',
      probable_origin: 'a8',
      recommended_action: { action: 'recover', agents: ['a8'] },
    });
    expect(on.state('main')?.episodes[0]?.agents).toEqual(['a8', 'a9', 'a10', 'a11']);
  });

  test('follows the supervision tree, too', () => {
    const siblings = FLEET.map(({ profile }) => agentOf(profile.agent_id, { ...profile, metadata: {} }));
    const on = story({}, siblings);
    fail(on, chain(5));
    expect(on.bodies('supervision.events')[0]).toMatchObject({ pattern_type: 'cascading_failure', evidence: { link: 'tree' } });
  });

  test('follows a capability that others depend on', () => {
    const ocr = agentOf('ocr', { capabilities: ['ocr'], domain: 'dx' });
    const users = [1, 2, 3].map((n) => agentOf(`u${n}`, { domain: `e${n}`, metadata: { depends_on: ['ocr'] } }));
    const on = story({}, [...FLEET, ocr, ...users]);
    fail(on, [['ocr', 0], ...users.map(({ profile }, n) => [profile.agent_id, 1000 + n] as const)]);
    expect(on.bodies('supervision.events')[0]).toMatchObject({ probable_origin: 'ocr', affected_agents: ['ocr', 'u1', 'u2'] });
  });

  test('is not failures of agents of which nobody knows more than that they fail', () => {
    const on = story();
    fail(
      on,
      [1, 2, 3, 4, 5].map((n) => [`unknown-${n}`, n]),
    );
    expect(patterns(on)).toEqual([]);
  });

  test('is not failures that have nothing to do with each other', () => {
    const on = story();
    fail(
      on,
      [0, 9, 18, 27].map((n, at) => [`a${n}`, at * 1000]),
    );
    expect(patterns(on)).toEqual([]);
  });

  test('is seen in nine of ten cascades between other failures, and in few of those without: sixty fleets', () => {
    const outcome = (seed: number, isCascade: boolean) => {
      const random = randomOf(seed);
      const others = random
        .shuffled(FLEET)
        .slice(0, 2)
        .map(({ profile }) => [profile.agent_id, random.between(0, 8000)] as const);
      const strangers = random.shuffled(Array.from({ length: 10 }, (_, n) => n)).slice(0, 4);
      const spread = isCascade
        ? chain(seed % 10, 2000)
        : strangers.map((domain, n) => [`a${domain * 4 + random.between(0, 3)}`, n * 2000] as const);
      const on = story();
      fail(
        on,
        [...others, ...spread].toSorted(([, a], [, b]) => a - b),
      );
      return patterns(on).some((one) => one.startsWith('cascading_failure'));
    };
    const seeds = Array.from({ length: 60 }, (_, n) => n + 1);
    expect(seeds.filter((seed) => outcome(seed, true)).length).toBeGreaterThan(54);
    expect(seeds.filter((seed) => outcome(seed, false)).length).toBeLessThan(5);
  });
});

describe('network_partition', () => {
  test('is a zone that falls silent while others do not', () => {
    const on = story();
    fail(
      on,
      ZONE.slice(0, 7).map((agent, n) => [agent, n * 100]),
      'timeout_failure',
    );
    expect(on.bodies('supervision.events')[0]).toMatchObject({
      pattern_type: 'network_partition',
      phase: 'detected',
      evidence: { zone: 'z1', zone_agents: 10, silent_elsewhere: 0, fleet: 40 },
      recommended_action: { action: 'alert' },
    });
  });

  test.each([
    ['agents of all zones fall silent', FLEET.slice(0, 12).map(({ profile }) => profile.agent_id), 'timeout_failure'],
    ['few of the zone do', ZONE.slice(0, 3), 'timeout_failure'],
    ['its agents crash and so can be heard', ZONE, 'process_crash'],
  ])('is not where %s', (_, agents, type) => {
    const on = story();
    fail(
      on,
      agents.map((agent, n) => [agent, n * 100]),
      type,
    );
    expect(patterns(on).filter((one) => one.startsWith('network_partition'))).toEqual([]);
  });

  test('is found in thirty of thirty zones that fall silent among others that do, and never where the silent are anybody', () => {
    const outcome = (seed: number, isPartition: boolean) => {
      const random = randomOf(seed);
      const anybody = random.shuffled(FLEET).map(({ profile }) => profile.agent_id);
      const silent = isPartition ? [...random.shuffled(ZONE).slice(0, 8), ...anybody.slice(0, 3)] : anybody.slice(0, 10);
      const on = story();
      fail(
        on,
        random.shuffled([...new Set(silent)]).map((agent, n) => [agent, n * 500]),
        'timeout_failure',
      );
      return patterns(on).includes('network_partition detected');
    };
    const seeds = Array.from({ length: 30 }, (_, n) => n + 1);
    expect([seeds.filter((seed) => outcome(seed, true)).length, seeds.filter((seed) => outcome(seed, false)).length]).toEqual([30, 0]);
  });

  test('explains the silence of its agents: it is no cascade as well', () => {
    const siblings = FLEET.map(({ profile }) => agentOf(profile.agent_id, { zone: profile.zone, domain: profile.zone }));
    const on = story({ cascading_failure: { agents: 8 } }, siblings);
    fail(
      on,
      ZONE.map((agent, n) => [agent, n * 100]),
      'timeout_failure',
    );
    expect(new Set(patterns(on).map((one) => one.split(' ')[0]))).toEqual(new Set(['network_partition']));
  });

  test('lasts as long as most of its agents are not heard of', () => {
    const silent = FLEET.map((agent) => agentOf(agent.profile.agent_id, agent.profile, !ZONE.includes(agent.profile.agent_id)));
    const on = story({}, silent);
    fail(
      on,
      ZONE.map((agent, n) => [agent, n * 100]),
      'timeout_failure',
    );
    on.until(START + 1_000_000);
    expect(patterns(on)).not.toContain('network_partition closed');
  });
});

describe('an episode', () => {
  test('is detected once, told again when agents join it, and closed when nothing did for two minutes', () => {
    const on = story();
    fail(
      on,
      ZONE.map((agent, n) => [agent, n * 100]),
      'timeout_failure',
    );
    on.until(START + 600_000);
    expect(patterns(on)).toEqual(['network_partition detected', 'network_partition updated', 'network_partition closed']);
    const [first, second, third] = on.bodies('supervision.events');
    expect([second?.episode_id, third?.episode_id]).toEqual([first?.episode_id, first?.episode_id]);
    expect(second?.affected_agents).toEqual(ZONE);
    expect([on.state('main')?.episodes, on.wakeAt('main')]).toEqual([[], null]);
  });

  test('raises one alert, whose group it is, and resolves it', () => {
    const on = story();
    fail(on, six());
    on.until(START + 600_000);
    const group = on.bodies('supervision.events')[0]?.episode_id;
    expect(on.bodies('alerts.high')).toMatchObject([
      { status: 'firing', group, agent_ids: ['a1'], summary: 'agent a1 failed more than 5 times within 60 s' },
      { status: 'resolved', group },
    ]);
  });

  test.each([
    ['escalate', 'supervision.escalation.1', { agent_id: 'a1', escalation_level: 1 }],
    ['recover', 'supervision.recovery.a1', { recovery_action: 'restart', initiator: 'pattern-detector' }],
  ])('is acted on once when its rule says %s', (action, subject, body) => {
    const on = story({ failure_spike: { action } });
    fail(on, six());
    on.until(START + 600_000);
    expect(on.published.filter((one) => one.subject !== 'supervision.events')).toMatchObject([{ subject, body }]);
  });

  test('without an action is only told', () => {
    const on = story({ failure_spike: { action: 'none' } });
    fail(on, six());
    expect(on.published.map(({ subject }) => subject)).toEqual(['supervision.events']);
  });
});

test('a storm of failures leaves an item of bounded size and few messages', () => {
  const on = story();
  const storm = Array.from({ length: 1000 }, (_, n) => [`agent-with-a-long-name-${n % 700}`, n] as const);
  fail(on, storm, 'timeout_failure');
  expect(JSON.stringify(on.state('main')).length).toBeLessThan(100_000);
  expect(on.published.length).toBeLessThan(50);
});

/**
 * A thousand agents of ten zones fail ten times each, in turn, within so many seconds. Decided without the copies of `drive`: the state
 * is large. `told`: what was published, the last alarm's among it.
 */
const storm = (seconds: number, type: string) => {
  const fleet = Array.from({ length: 1000 }, (_, n) => agentOf(`a${n}`, { domain: `d${n % 50}`, zone: `z${n % 10}` }));
  const ids = fleet.map(({ profile }) => profile.agent_id);
  const context = { id: 'main', settings: settings.parse({}), view: viewOf(fleet, fleet.slice(0, 100)), also: () => undefined };
  let [state, wakeAt, told]: [Parameters<typeof outbreaks.decide>[0], number | null, Record<string, unknown>[]] = [undefined, null, []];
  const tell = (event: Parameters<typeof outbreaks.decide>[1], now: number, recordId: string) => {
    const newId = (salt = '') => `${recordId} ${salt}`;
    const decision = outbreaks.decide(state, event, { ...context, now, recordId, newId, wakeAt, children: new Map() });
    if (decision.outcome !== 'done') throw new Error(decision.outcome);
    [state, wakeAt] = [decision.state ?? state, decision.wakeAt ?? wakeAt];
    told = [...told, ...(decision.publish ?? []).map(({ subject, body }) => ({ subject, ...(body as object) }))];
  };
  for (let n = 0; n < 10_000; n++) {
    const event = failed(ids[n % 1000] as string, Math.floor((n * seconds) / 10), type);
    tell(event, event.sentAt, `r${n}`);
  }
  const due = wakeAt ?? START;
  tell({ message: 'alarm', due, key: 'outbreak#main' }, due, 'alarm');
  return { ids, state, told };
};

describe('a storm: ten thousand failures of a thousand agents', () => {
  test.each([
    ['within five seconds', 5, 'process_crash'],
    ['within fifty, of agents that fell silent', 50, 'timeout_failure'],
  ])('%s, names each agent in an episode, in few messages and an item of less than 100 KB', { timeout: 60_000 }, (_, seconds, type) => {
    const { ids, state, told } = storm(seconds, type);
    expect(JSON.stringify(state).length).toBeLessThan(100_000);
    const spikes = told.filter((body) => body.pattern_type === 'failure_spike');
    expect(new Set(spikes.flatMap((body) => body.affected_agents))).toEqual(new Set(ids));
    expect(Map.groupBy(spikes, (body) => body.episode_id).size).toBe(20);
    expect(told.length).toBeLessThan(150);
  });
});

test('a hundred agents that fail too often are twenty episodes: further agents join the last', () => {
  const on = story();
  for (let n = 0; n < 600; n++) fail(on, [[`b${Math.floor(n / 6)}`, n]]);
  on.until(START + 60_000);
  const last = on.bodies('supervision.events').filter(({ phase }) => phase === 'updated');
  expect(on.state('main')?.episodes.map(({ agents }) => agents.length)).toEqual([...Array(19).fill(1), 81]);
  expect(last).toMatchObject([{ summary: expect.stringMatching(/^81 agents fail too often, the last: agent b99 failed/) }]);
});

test('a stray alarm and a failure seen before change nothing', () => {
  const on = story();
  on.tell(failed('a1', 0, 'process_crash', 'e'));
  on.tell(failed('a1', 1, 'process_crash', 'e'));
  on.ring('main');
  expect(on.writes()).toBe(1);
});

test('whatever fails, an episode is detected before it is updated, and closed last', () => {
  const failures = fc.array(fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 20_000 }), fc.boolean()), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(failures, (all) => {
      const on = story();
      let at = 0;
      for (const [n, wait, silent] of all) {
        at += wait;
        fail(on, [[`a${n}`, at]], silent ? 'timeout_failure' : 'process_crash');
      }
      on.until(START + at + 600_000);
      for (const told of Map.groupBy(on.bodies('supervision.events'), (body) => body.episode_id).values())
        expect(told.map(({ phase }) => phase).join(' ')).toMatch(/^detected( updated)* closed$/);
    }),
    { numRuns: 40 },
  );
});

test('a setting that is not JSON, or misspelt, is refused with what it has to be', () => {
  expect(settings.safeParse({ PATTERN_RULES: 'spike' }).error?.issues[0]?.message).toContain('must be JSON such as');
  expect(settings.safeParse({ PATTERN_RULES: '{"failure_spikes": {}}' }).success).toBe(false);
});
