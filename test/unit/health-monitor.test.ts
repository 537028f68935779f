import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { healths } from '#functions/health-monitor/decide.ts';
import { type Health, healthKind } from '#functions/health-monitor/health.ts';
import { patienceWith } from '#functions/health-monitor/patience.ts';
import { show } from '#functions/health-monitor/queries.ts';
import { settings } from '#functions/health-monitor/settings.ts';
import type { Rhythm } from '#shared/contract.ts';
import { readerOf } from '#shared/entity/reader.ts';
import { iso } from '#shared/iso.ts';
import { controlHealthShow } from '#shared/messages/control-supervision.ts';
import { healthAnswer } from '#shared/messages/health-check.ts';
import { agentError, agentHeartbeat, agentReady, agentStopped, sessionHeartbeat } from '#shared/messages/lifecycle.ts';
import { orchestratorBroadcast } from '#shared/messages/orchestrator.ts';
import { health } from '#shared/messages/supervision.ts';
import { drive, received, START } from '#test/support/decide.ts';

const agent_id = 'a1';
const beat = (sentAt: number, body: object = {}, rhythm?: Rhythm) =>
  received(agentHeartbeat, { agent_id }, { agent_id, ...body }, { sentAt, ...(rhythm && { rhythm }) });
const report = (sentAt: number, state: string, metrics?: object) =>
  received(health, { agent_id }, { agent_id, status: { state }, metrics }, { sentAt });
const says = (message: typeof agentReady | typeof agentStopped | typeof agentError, sentAt: number, body: object = {}) =>
  received(message as typeof agentReady, { agent_id }, { agent_id, ...body }, { sentAt });

const monitor = (environment: Record<string, string> = {}) => drive(healths, settings.parse(environment));
type Monitor = ReturnType<typeof monitor>;

/** Of heartbeats that come every second, about. */
const everySecond: Rhythm = { intervals: 100, mean_ms: 1000, deviation_ms: 50 };

/** An agent that beat every second until START + 60 s. */
const watched = (environment = {}): Monitor => {
  const story = monitor(environment);
  for (let second = 0; second <= 60; second++) story.tell(beat(START + 1000 * second, {}, everySecond));
  return story;
};
const LAST = START + 60_000;
const patience = (story: Monitor, environment = {}) => patienceWith(story.state(agent_id) as Health, settings.parse(environment));
const told = (story: Monitor) => story.bodies('supervision.health').map(({ status }) => (status as { state: string }).state);
const failures = (story: Monitor) => story.bodies('supervision.failures');
const watch = (story: Monitor) => story.state(agent_id)?.watch;

describe('an agent that falls silent', () => {
  test('is suspected by its own rhythm, and asked whether it is there', () => {
    const story = watched();
    const { suspectAfter } = patience(story);
    story.until(LAST + suspectAfter - 1);
    expect([watch(story), suspectAfter < 6000]).toEqual(['alive', true]);
    story.until(LAST + suspectAfter);
    expect(watch(story)).toBe('suspect');
    expect(story.published).toEqual([{ subject: 'health.check.a1', body: {}, reply: 'health.answer.a1' }]);
  });

  test('is reported once, as unresponsive and as a failure, when another heartbeat would have been due', () => {
    const story = watched();
    const { suspectAfter, askFor } = patience(story);
    story.until(START + 24 * 3_600_000);
    const [last_seen, detection_time] = [iso(LAST), iso(LAST + suspectAfter + askFor)];
    expect(story.bodies('supervision')).toEqual([
      { type: 'health', agent_id, status: { state: 'unresponsive', last_seen }, timestamp: detection_time },
      {
        type: 'failure',
        event_id: `silent-a1-${LAST}`,
        agent_id,
        failure_type: 'timeout_failure',
        severity: 'high',
        context: { last_seen, silent_ms: suspectAfter + askFor, interval_ms: 1000, allowed_ms: 90_000 },
        detection_time,
      },
    ]);
  });

  test('and comes back is reported healthy once', () => {
    const story = watched();
    story.until(START + 3_600_000);
    for (const second of [0, 1, 2]) story.tell(beat(START + 3_600_000 + 1000 * second, {}, everySecond));
    expect([told(story), watch(story)]).toEqual([['unresponsive', 'healthy'], 'alive']);
  });

  test('falls silent a second time under another event id', () => {
    const story = watched();
    story.until(START + 3_600_000);
    story.tell(beat(START + 3_600_000));
    story.until(START + 7_200_000);
    expect(failures(story).map(({ event_id }) => event_id)).toEqual([`silent-a1-${LAST}`, `silent-a1-${START + 3_600_000}`]);
  });

  test('and comes back with a slower rhythm is not measured by the old one again', () => {
    const story = watched();
    story.until(START + 3_600_000);
    for (const second of [0, 30, 60, 90]) {
      story.until(START + 3_600_000 + 1000 * second);
      story.tell(beat(START + 3_600_000 + 1000 * second));
    }
    expect(failures(story)).toHaveLength(1);
  });

  test.each<[string, (at: number) => Parameters<Monitor['tell']>[0]]>([
    ['a heartbeat', (at) => beat(at, {}, everySecond)],
    ['an answer to the check', (at) => received(healthAnswer, { agent_id }, { agent_id, status: 'ready' }, { sentAt: at })],
    ['a report of its own', (at) => report(at, 'healthy')],
    ['an error', (at) => says(agentError, at)],
  ])('is cleared of suspicion by %s', (_, sign) => {
    const story = watched();
    story.until(LAST + patience(story).suspectAfter);
    story.tell(sign(story.now() + 500));
    expect([watch(story), told(story), failures(story)]).toEqual(['alive', [], []]);
  });

  test('is given up by the fixed rule, three missed heartbeats, where its rhythm is not known', () => {
    const story = monitor();
    story.tell(beat(START));
    story.until(START + 89_999);
    expect(told(story)).toEqual([]);
    story.until(START + 90_000);
    expect(told(story)).toEqual(['unresponsive']);
  });

  test('but stopped is not missed, nor by a heartbeat that crossed with that word', () => {
    const story = watched();
    story.tell(says(agentStopped, LAST + 100));
    story.tell(beat(LAST + 101, {}, everySecond));
    story.until(LAST + 24 * 3_600_000);
    expect([watch(story), story.published]).toEqual(['unwatched', []]);
  });

  test('and had stopped is watched again when it beats again', () => {
    const story = watched();
    story.tell(says(agentStopped, LAST + 100));
    story.tell(beat(LAST + 60_000));
    story.until(LAST + 3_600_000);
    expect(told(story)).toEqual(['unresponsive']);
  });

  test('is watched on when it is another instance that stopped', () => {
    const story = monitor();
    story.tell(says(agentReady, START, { instance_id: 'i2' }));
    story.tell(says(agentStopped, START + 1, { instance_id: 'i1' }));
    story.until(START + 3_600_000);
    expect(told(story)).toEqual(['unresponsive']);
  });

  test('after it said it is ready is missed, though it never beat', () => {
    const story = monitor();
    story.tell(says(agentReady, START));
    story.until(START + 3_600_000);
    expect(told(story)).toEqual(['unresponsive']);
  });

  test('and never did more than report its health is not missed', () => {
    const story = monitor();
    story.tell(report(START, 'degraded'));
    story.until(START + 3_600_000);
    expect([story.published, story.state(agent_id)?.reported]).toEqual([[], 'degraded']);
  });

  test('is found whatever its rhythm, never before phi and never after the fixed rule', () => {
    const rhythm = fc.record({
      intervals: fc.integer({ min: 10, max: 1000 }),
      mean_ms: fc.integer({ min: 100, max: 120_000 }),
      deviation_ms: fc.integer({ min: 0, max: 30_000 }),
    });
    fc.assert(
      fc.property(rhythm, (known) => {
        const story = monitor();
        story.tell(beat(START, {}, known));
        const { suspectAfter, fixed } = patience(story);
        story.until(START + 24 * 3_600_000);
        const at = Date.parse(failures(story)[0]?.detection_time as string) - START;
        expect(at).toBeGreaterThanOrEqual(suspectAfter);
        expect(at).toBeLessThanOrEqual(fixed);
        expect(fixed).toBeLessThanOrEqual(Math.max(90_000, 3 * known.mean_ms));
      }),
    );
  });
});

describe('agents that know nothing of us', () => {
  test('a session of the Synadia protocol is missed by the interval that it says', () => {
    const story = monitor();
    const session = { agent: 'coder', owner: 'kim', session: 's1' };
    story.tell(received(sessionHeartbeat, session, { ...session, instance_id: 'i 1', interval_s: 60 }));
    story.until(START + 179_999);
    expect(told(story)).toEqual([]);
    story.until(START + 180_000);
    expect(failures(story)).toMatchObject([{ agent_id: 'coder-kim-s1' }]);
  });

  test('an agent of document 004 is missed after it beat', () => {
    const story = monitor();
    story.tell(
      received(orchestratorBroadcast, { message_type: 'heartbeat' }, { from_agent: 'old-1', to_agent: null, message_type: 'heartbeat' }),
    );
    story.until(START + 3_600_000);
    expect(failures(story)).toMatchObject([{ agent_id: 'old-1' }]);
  });
});

describe('local slowness suspends judgement', () => {
  test('an alarm that comes late gives the agent its time again', () => {
    const story = watched();
    const { suspectAfter } = patience(story);
    story.until(LAST + suspectAfter, 60_000);
    expect([watch(story), told(story)]).toEqual(['alive', []]);
    story.until(LAST + suspectAfter + 60_000 + suspectAfter - 1);
    expect(watch(story)).toBe('alive');
  });

  test('of a suspect, too: it is asked again', () => {
    const story = watched();
    const { suspectAfter, askFor } = patience(story);
    story.until(LAST + suspectAfter);
    story.until(LAST + suspectAfter + askFor, 60_000);
    expect([watch(story), told(story), story.bodies('health.check').length]).toEqual(['suspect', [], 2]);
  });

  test("silence while the bridge did not listen is not the agent's", () => {
    const story = watched();
    const { suspectAfter, askFor } = patience(story);
    const heardSince = LAST + suspectAfter - 100;
    story.until(heardSince + suspectAfter - 1, 0, { heardSince });
    expect(watch(story)).toBe('alive');
    story.until(heardSince + suspectAfter + askFor, 0, { heardSince });
    expect(told(story)).toEqual(['unresponsive']);
  });

  test('a suspect whose answer the bridge could not hear is asked again', () => {
    const story = watched();
    const { suspectAfter, askFor } = patience(story);
    story.until(LAST + suspectAfter);
    story.until(LAST + suspectAfter + askFor, 0, { heardSince: LAST + suspectAfter + 1 });
    expect([watch(story), told(story)]).toEqual(['suspect', []]);
  });

  test('after an outage none of a fleet is convicted by time in which nobody listened, whenever its alarm is due', () => {
    const outage = fc.record({ from: fc.integer({ min: 0, max: 10_000 }), ms: fc.integer({ min: 1, max: 600_000 }) });
    fc.assert(
      fc.property(outage, ({ from, ms }) => {
        const story = watched();
        const heardSince = LAST + from + ms;
        // What was due meanwhile rings when the bridge is back; the agent beats again from then on.
        if (from >= patience(story).suspectAfter) return;
        const due = LAST + patience(story).suspectAfter;
        story.until(Math.min(due, heardSince), Math.max(0, heardSince - due), { heardSince });
        for (let n = 1; n <= 10; n++) {
          story.until(heardSince + 1000 * n, 0, { heardSince });
          story.tell(beat(heardSince + 1000 * n, {}, everySecond));
        }
        expect([told(story), watch(story)]).toEqual([[], 'alive']);
      }),
    );
  });

  test('the sweep that comes for an output blames nobody', () => {
    const story = watched();
    expect(story.ring(agent_id, { swept: true })).toEqual({ outcome: 'done', checkAt: LAST + patience(story).suspectAfter });
  });

  test('the sweep that comes because the timer was lost makes a suspect, and no verdict', () => {
    const story = watched();
    const bound = story.wakeAt(agent_id) as number;
    const lost = healths.decide(story.state(agent_id), { message: 'alarm', due: bound + 60_000, key: 'health#a1', swept: true }, {
      now: bound + 60_000,
      id: agent_id,
      wakeAt: bound,
      settings: settings.parse({}),
    } as Parameters<typeof healths.decide>[2]);
    expect(lost).toMatchObject({ state: { watch: 'suspect', lastSeen: story.state(agent_id)?.lastSeen } });
  });
});

describe('what it costs', () => {
  test.each([200, 1000, 30_000])('heartbeats every %d ms are written every 150 s', (interval) => {
    const story = monitor();
    const rhythm = { intervals: 100, mean_ms: interval, deviation_ms: 10 };
    const beatUntil = (from: number, to: number) => {
      for (let at = from; at < to; at += interval) story.tell(beat(at, {}, rhythm));
    };
    beatUntil(START, START + 300_000);
    const before = story.writes();
    beatUntil(START + 300_000, START + 3_900_000);
    expect(story.writes() - before).toBeLessThanOrEqual(24);
  });

  test('a rhythm that becomes known is written once', () => {
    const story = monitor();
    for (let n = 0; n < 100; n++)
      story.tell(beat(START + 200 * n, {}, n > 0 ? { intervals: n, mean_ms: 200, deviation_ms: 5 } : undefined));
    expect([story.writes(), patience(story).suspectAfter < 4000]).toEqual([2, true]);
  });

  test('a heartbeat that changes nothing only moves the check', () => {
    const story = watched();
    const { suspectAfter } = patience(story);
    expect(story.tell(beat(LAST + 1000, {}, everySecond))).toEqual({ outcome: 'done', checkAt: LAST + 1000 + suspectAfter });
  });

  test('a stopped agent is forgotten by the table', () => {
    const story = watched();
    story.tell(says(agentStopped, LAST));
    expect(healthKind.expiresAt?.(story.state(agent_id) as Health)).toBe(LAST + 8 * 24 * 3_600_000);
  });
});

describe('degraded and unhealthy, from metrics', () => {
  const busy = (values: readonly (number | undefined)[], environment = {}): Monitor => {
    const story = monitor(environment);
    for (const [n, cpu_usage] of values.entries()) story.tell(beat(START + 15_000 * n, { metrics: { cpu_usage } }));
    return story;
  };

  test('a metric beyond a threshold for the dwell is told once, with what it is', () => {
    const story = busy([0.2, 0.91, 0.92, 0.9, 0.95, 0.95]);
    expect(story.bodies('supervision.health')).toEqual([
      {
        type: 'health',
        agent_id,

        status: { state: 'degraded', performance_impact: 0.68, symptoms: ['cpu_usage is 0.9, degraded from 0.85'] },
        metrics: { cpu_usage: 0.9 },
        timestamp: iso(START + 45_000),
      },
    ]);
  });

  test.each<[string, number[], string[]]>([
    ['a peak is not', [0.2, 0.99, 0.2, 0.99, 0.2], []],
    ['it gets worse and well again', [0.9, 0.9, 0.9, 0.99, 0.99, 0.99, 0.2, 0.2, 0.2], ['degraded', 'unhealthy', 'healthy']],
    ['between leaving and entering it stays', [0.9, 0.9, 0.9, 0.8, 0.84, 0.8, 0.84, 0.76], ['degraded']],
    ['swinging around the threshold it is told once', [0.86, 0.84, 0.86, 0.84, 0.86, 0.84, 0.86], ['degraded']],
  ])('%s: %j', (_, values, states) => {
    expect(told(busy(values))).toEqual(states);
  });

  test('throughput is bad when it is low', () => {
    const rule = { degraded: { enter: 5, leave: 8 }, unhealthy: { enter: 1, leave: 2 } };
    const story = monitor({ HEALTH_THRESHOLDS: JSON.stringify({ throughput: rule }), HEALTH_DWELL_MS: '0' });
    for (const [n, throughput] of [10, 4, 7, 0, 9].entries()) story.tell(report(START + 30_000 * n, 'healthy', { throughput }));
    expect(told(story)).toEqual(['degraded', 'unhealthy']);
  });

  test('whatever metrics do, each change is told once and agrees with the state', () => {
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 50 });
    fc.assert(
      fc.property(shares, (values) => {
        const story = busy(values);
        const states = told(story);
        expect(states.every((state, n) => state !== (states[n - 1] ?? 'healthy'))).toBe(true);
        expect(states.at(-1) ?? 'healthy').toBe(story.state(agent_id)?.reported ?? 'healthy');
      }),
    );
  });

  test('what an agent declares of itself is taken over, and not said again', () => {
    const story = monitor();
    for (const [n, state] of ['degraded', 'unhealthy', 'unhealthy', 'healthy'].entries()) {
      story.tell(report(START + n, state));
      expect([story.state(agent_id)?.reported, story.published]).toEqual([state, []]);
    }
  });

  test('an agent that somebody else declares unresponsive is healthy with its next sign of life', () => {
    const story = watched();
    story.tell(report(LAST + 10, 'unresponsive'));
    expect([watch(story), story.published]).toEqual(['unresponsive', []]);
    story.tell(beat(LAST + 1000, {}, everySecond));
    expect(told(story)).toEqual(['healthy']);
  });

  test('after silence an agent is judged anew', () => {
    const story = busy([0.9, 0.9, 0.9]);
    story.until(START + 3_600_000);
    story.tell(beat(START + 3_600_000));
    expect(told(story)).toEqual(['degraded', 'unresponsive', 'healthy']);
  });
});

describe('control.health.show', () => {
  const ask = async (id: string) => {
    const state = watched().state(agent_id);
    const load = async (keys: readonly string[]) =>
      new Map(keys.includes('health#a1') ? [['health#a1', { key: 'health#a1', schema: 1, state }]] : []);
    const request = received(controlHealthShow, {}, { agent_id: id });
    return show.answer(await show.read(request, readerOf({ load } as never)), request, 0);
  };

  test('answers what is known, or a sentence', async () => {
    expect(await ask('a1')).toMatchObject({ body: { health: { agent_id: 'a1', state: 'healthy', watch: 'alive', rhythm: everySecond } } });
    expect(await ask('a9')).toMatchObject({ error: { code: 'not_found' } });
  });
});

test.each(['{', '[]', '{"cpu_usage": 1}', '{"disk": null}'])('thresholds that are wrong are refused: %s', (HEALTH_THRESHOLDS) => {
  expect(settings.safeParse({ HEALTH_THRESHOLDS }).success).toBe(false);
});

test('a metric that is switched off is not judged', () => {
  expect(settings.parse({ HEALTH_THRESHOLDS: '{"cpu_usage": null}' }).thresholds.cpu_usage).toBe(null);
});
