import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { circuits } from '#functions/circuit-breaker/decide.ts';
import { list } from '#functions/circuit-breaker/queries.ts';
import { surveyOf } from '#functions/circuit-breaker/survey.ts';
import { newCircuit } from '#shared/circuit/circuit.ts';
import { expectedMs } from '#shared/circuit/response.ts';
import { settings } from '#shared/circuit/rules.ts';
import { circuitClosed, circuitHalfOpen, circuitOpen, circuitReport } from '#shared/messages/circuit.ts';
import { controlCircuitForce, controlCircuitList, controlCircuitReset } from '#shared/messages/control.ts';
import { drive, received, START } from '#test/support/decide.ts';

type Said = { outcome?: 'success' | 'failure' | 'slow'; duration_ms?: number; epoch?: number };

const report = (sentAt: number, said: Said = {}) =>
  received(circuitReport, { service: 'ocr' }, { service: 'ocr', outcome: 'success', ...said }, { sentAt });

/** A circuit and its reports, which come in batches. */
const breaker = (rules: object = {}) => {
  const view = new Map();
  const story = drive(circuits, settings.parse({ CIRCUIT_RULES: JSON.stringify({ '*': rules }) }), view);
  const batch = (sentAt: number, ...said: Said[]) => {
    const reports = said.map((one) => report(sentAt, one));
    view.clear();
    for (const [service, heard] of surveyOf(reports)) view.set(service, heard);
    for (const one of reports) story.tell(one);
  };
  const states = () => story.published.map(({ subject }) => subject.replace('circuit.ocr.', ''));
  return { ...story, batch, states };
};

const many = (count: number, outcome: Said['outcome']): Said[] => Array.from({ length: count }, () => ({ outcome: outcome ?? 'success' }));

describe('a closed circuit', () => {
  test('opens when half of at least 20 calls failed within 10 s, and says so once, with all that callers need', () => {
    const story = breaker();
    for (let n = 0; n < 15; n++) story.batch(START + n * 100, { outcome: 'success' }, { outcome: 'failure' });
    expect(story.published).toEqual([
      {
        subject: 'circuit.ocr.open',
        body: {
          service: 'ocr',
          state: 'open',
          reason: '10 of 20 calls failed within 10 s',
          epoch: 1,
          permits: 0,
          until: new Date(START + 900 + 30_000).toISOString(),
        },
      },
    ]);
  });

  test('stays closed while the calls are too few', () => {
    const story = breaker();
    for (let n = 0; n < 9; n++) story.batch(START + n, { outcome: 'failure' }, { outcome: 'success' });
    expect([story.state('ocr')?.state, story.published]).toEqual(['closed', []]);
  });

  test('opens after ten failures in a row, however long that takes', () => {
    const story = breaker();
    for (let n = 0; n < 10; n++) story.batch(START + n * 60_000, { outcome: 'failure' });
    expect(story.bodies('circuit.ocr.open')).toMatchObject([{ reason: '10 calls failed in a row' }]);
  });

  test.each([
    ['say so', many(20, 'slow')],
    ['took too long', many(20, 'success').map((said) => ({ ...said, duration_ms: 60_000 }))],
  ])('opens when its calls are slow: they %s', (_, said) => {
    const story = breaker();
    story.batch(START, ...said);
    expect(story.bodies('circuit.ocr.open')).toMatchObject([{ reason: '20 of 20 calls were slow within 10 s' }]);
  });

  test('obeys the rules of its service before those of all', () => {
    const CIRCUIT_RULES = JSON.stringify({ '*': { failure_threshold: 2 }, ocr: { failure_threshold: 1 } });
    const story = drive(circuits, settings.parse({ CIRCUIT_RULES }), surveyOf([report(START, { outcome: 'failure' })]));
    story.tell(report(START, { outcome: 'failure' }));
    expect(story.state('ocr')?.state).toBe('open');
  });
});

describe('a healthy service', () => {
  test('costs one write a window, however many calls it has', () => {
    const story = breaker();
    for (let ms = 0; ms < 60_000; ms += 500) story.batch(START + ms, ...many(50, 'success'));
    expect([story.writes(), story.state('ocr')?.pace]).toEqual([6, { at: START + 50_000, perSecond: 100 }]);
  });

  test('does not open for failures that are few among the calls nobody wrote down', () => {
    const story = breaker();
    for (let ms = 0; ms < 8000; ms += 500) story.batch(START + ms, ...many(50, 'success'));
    story.batch(START + 8000, ...many(9, 'failure'), ...many(1, 'success'), ...many(9, 'failure'), ...many(9, 'success'));
    expect([story.state('ocr')?.state, story.state('ocr')?.failuresInARow]).toEqual(['closed', 0]);
  });

  test('is not thought to have been called after its calls ceased', () => {
    const story = breaker();
    story.batch(START, ...many(500, 'success'));
    story.batch(START + 30_000, ...many(9, 'failure'), ...many(1, 'success'), ...many(9, 'failure'), ...many(1, 'success'));
    expect(story.bodies('circuit.ocr.open')).toMatchObject([{ reason: '18 of 20 calls failed within 10 s' }]);
  });

  test('is quiet again a window after its last failure', () => {
    const story = breaker();
    story.batch(START, { outcome: 'failure' }, { outcome: 'success' });
    for (let ms = 0; ms <= 10_000; ms += 1000) story.batch(START + ms, { outcome: 'success' });
    expect(story.state('ocr')).toMatchObject({ buckets: [], pace: { at: START + 10_000 } });
  });
});

/** A circuit that has just become half-open, 30 s after it opened. */
const halfOpen = (rules: object = {}) => {
  const story = breaker(rules);
  story.batch(START, ...many(10, 'failure'));
  story.until(START + 30_000);
  return story;
};

describe('an open circuit', () => {
  test('becomes half-open when its time is over, with three permits for the whole fleet', () => {
    const story = halfOpen();
    expect(story.bodies('circuit.ocr.half-open')).toEqual([
      { service: 'ocr', state: 'half_open', reason: 'the wait is over', epoch: 2, permits: 3 },
    ]);
  });

  test('does not listen to calls that were made before it opened', () => {
    const story = breaker();
    story.batch(START, ...many(10, 'failure'));
    story.batch(START + 1000, ...many(50, 'success'));
    expect([story.states(), story.state('ocr')?.buckets]).toEqual([['open'], []]);
  });

  test('becomes half-open even when its alarm is late, and the report that finds it so is no probe', () => {
    const story = breaker();
    story.batch(START, ...many(10, 'failure'));
    story.batch(START + 40_000, { outcome: 'success' });
    expect(story.state('ocr')).toMatchObject({ state: 'half-open', permits: 3, buckets: [] });
  });
});

describe('a half-open circuit', () => {
  test('closes when its probes go well', () => {
    const story = halfOpen();
    story.batch(START + 31_000, ...many(3, 'success'));
    expect(story.state('ocr')).toMatchObject({ state: 'closed', openings: 0, reason: 'the probes went well' });
  });

  test('waits for all of its probes', () => {
    const story = halfOpen();
    story.batch(START + 31_000, ...many(2, 'failure'));
    expect(story.state('ocr')?.state).toBe('half-open');
  });

  test('opens for longer each time, up to the maximum', () => {
    const story = halfOpen({ max_wait_duration_in_open_state_ms: 100_000 });
    for (let n = 0; n < 3; n++) {
      story.batch(story.now(), ...many(3, 'failure'));
      story.until(story.state('ocr')?.until ?? 0);
    }
    const opened = story.bodies('circuit.ocr.open').map(({ until }) => Date.parse(String(until)) - START);
    expect(opened).toEqual([30_000, 90_000, 190_000, 290_000]);
  });

  test('ignores reports of an earlier epoch', () => {
    const story = halfOpen();
    story.batch(START + 31_000, ...many(3, 'failure').map((said) => ({ ...said, epoch: 0 })));
    expect(story.state('ocr')).toMatchObject({ state: 'half-open', buckets: [] });
  });

  test('goes by the probes that were reported when others are not', () => {
    const story = halfOpen();
    story.batch(START + 31_000, { outcome: 'success' });
    story.until(START + 90_000);
    expect(story.states()).toEqual(['open', 'half-open', 'closed']);
  });

  test('waits longer each time that no probe is reported, so that an idle circuit costs next to nothing', () => {
    const story = halfOpen();
    story.until(START + 30_000 + 3_600_000);
    expect(story.state('ocr')).toMatchObject({ state: 'half-open', permits: 3, renewals: 8 });
  });

  test('counts a probe that takes longer than its permits last', () => {
    const story = halfOpen();
    story.until(START + 90_000);
    story.batch(START + 95_000, ...many(3, 'success').map((said) => ({ ...said, epoch: 2 })));
    expect(story.state('ocr')).toMatchObject({ state: 'closed', epoch: 4 });
  });

  test('gives new permits when none was reported', () => {
    const story = halfOpen();
    story.until(START + 90_000);
    expect(story.bodies('circuit.ocr.half-open').map(({ epoch, permits }) => [epoch, permits])).toEqual([
      [2, 3],
      [3, 3],
    ]);
  });
});

describe('a state that an agent publishes', () => {
  const said = (sentAt: number, body: object = {}) => received(circuitOpen, { service: 'ocr' }, { service: 'ocr', ...body }, { sentAt });

  test('are taken over one after the other, however close together they are and however late they are heard', () => {
    const story = breaker();
    story.until(START + 5000);
    story.tell(said(START));
    story.tell(received(circuitHalfOpen, { service: 'ocr' }, { service: 'ocr' }, { sentAt: START + 1 }));
    story.tell(received(circuitClosed, { service: 'ocr' }, { service: 'ocr' }, { sentAt: START + 2 }));
    expect(story.state('ocr')).toMatchObject({ state: 'closed', epoch: 3 });
  });

  test('is taken over, and not published once more', () => {
    const story = breaker();
    story.tell(said(START, { details: 'GPU lost' }));
    expect([story.state('ocr'), story.published]).toMatchObject([{ state: 'open', reason: 'GPU lost', until: START + 30_000 }, []]);
  });

  test('is what closes the circuit, too', () => {
    const story = breaker();
    story.tell(said(START));
    story.tell(received(circuitClosed, { service: 'ocr' }, { service: 'ocr' }, { sentAt: START + 1 }));
    expect(story.state('ocr')).toMatchObject({ state: 'closed', epoch: 2 });
  });

  test('gives the permits that it names', () => {
    const story = breaker();
    story.tell(received(circuitHalfOpen, { service: 'ocr' }, { service: 'ocr', permits: 7, epoch: 40 }));
    expect(story.state('ocr')).toMatchObject({ state: 'half-open', permits: 7, epoch: 40 });
  });

  test('does not count when it is older than the state', () => {
    const story = halfOpen();
    story.tell(said(START + 29_000));
    expect(story.state('ocr')?.state).toBe('half-open');
  });
});

describe('an operator', () => {
  const force = (state: string) => received(controlCircuitForce, { service: 'ocr' } as object, { service: 'ocr', state, by: 'kim' });
  const reset = () => received(controlCircuitReset, {}, { service: 'ocr', by: 'kim', reason: 'fixed' });

  test('opens a circuit until the reset', () => {
    const story = breaker();
    const { reply } = story.tell(force('open')) as { reply?: unknown };
    story.until(START + 3_600_000);
    story.tell(received(circuitClosed, { service: 'ocr' }, { service: 'ocr' }, { sentAt: START + 3_600_000 }));
    expect(reply).toMatchObject({ body: { circuit: { service: 'ocr', state: 'open', forced: true, reason: 'forced by kim' } } });
    expect([story.state('ocr')?.state, story.states()]).toEqual(['open', ['open']]);
  });

  test('keeps a circuit closed, whatever fails', () => {
    const story = breaker();
    story.tell(force('closed'));
    story.batch(START, ...many(50, 'failure'));
    expect(story.state('ocr')?.state).toBe('closed');
  });

  test('resets a circuit to closed, with nothing counted', () => {
    const story = halfOpen();
    story.tell(reset());
    expect(story.state('ocr')).toEqual({ ...newCircuit(START + 30_000), epoch: 3, reason: 'reset by kim: fixed' });
  });

  test('is told that there is no such circuit', () => {
    expect(breaker().tell(reset())).toMatchObject({ reply: { error: { code: 'not_found' } } });
  });

  test('lists circuits by their state', () => {
    const circuits = new Map([
      ['b', newCircuit(START)],
      ['a', { ...newCircuit(START), state: 'open' as const }],
    ]);
    const asked = received(controlCircuitList, {}, { state: 'open' });
    expect(list.answer({ states: circuits, next: 'b' }, asked, START)).toMatchObject({ body: { circuits: [{ service: 'a' }], next: 'b' } });
  });
});

test.each([
  ['no JSON', '{', 'CIRCUIT_RULES: must be JSON'],
  ['an unknown rule', '{"ocr": {"window": 3}}', 'window'],
  ['a rule that cannot be', '{"*": {"failure_rate_threshold": 0}}', 'failure_rate_threshold'],
])('settings with %s are refused by name', (_, CIRCUIT_RULES, name) => {
  const issues = settings.safeParse({ CIRCUIT_RULES }).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  expect(issues?.join()).toContain(name);
});

const outcomeOf = (failed: boolean): Said => ({ outcome: failed ? 'failure' : 'success' });

/** resilience4j's window by time, told with a list of all calls: whether it opens with this call. */
const reference = (rules: { window: number; minimum: number; rate: number }) => {
  let calls: { second: number; failed: boolean }[] = [];
  return (at: number, failed: boolean): boolean => {
    const second = Math.floor(at / 1000);
    calls = [...calls, { second, failed }].filter((call) => call.second > second - rules.window);
    const failures = calls.filter((call) => call.failed).length;
    return calls.length >= rules.minimum && (failures * 100) / calls.length >= rules.rate;
  };
};

const gaps = fc.array(fc.record({ gap: fc.nat(2500), failed: fc.boolean() }), { maxLength: 60 });
const oneTo = (max: number) => fc.integer({ min: 1, max });

test('while not all goes well it opens exactly when the window of all calls says so', () => {
  fc.assert(
    fc.property(gaps, fc.record({ window: oneTo(12), minimum: oneTo(8), rate: oneTo(100) }), (calls, { window, minimum, rate }) => {
      const rules = {
        sliding_window_size: window,
        minimum_number_of_calls: minimum,
        failure_rate_threshold: rate,
        failure_threshold: 1000,
      };
      const story = breaker(rules);
      const opens = reference({ window, minimum, rate });
      let at = START;
      for (const { gap, failed } of [{ gap: 0, failed: true }, ...calls]) {
        at += gap;
        story.batch(at, outcomeOf(failed));
        const { state, pace } = story.state('ocr') ?? {};
        // All went well for a window: from here on calls are not counted one by one.
        if (pace) return;
        expect(state).toBe(opens(at, failed) ? 'open' : 'closed');
        if (state === 'open') return;
      }
    }),
  );
});

test('the probes of half-open decide as a window of so many calls does', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }), oneTo(100), (probes, rate) => {
      const story = halfOpen({ half_open_max_calls: probes.length, failure_rate_threshold: rate });
      story.batch(START + 30_000, ...probes.map(outcomeOf));
      const tooMany = (probes.filter(Boolean).length * 100) / probes.length >= rate;
      expect(story.state('ocr')?.state).toBe(tooMany ? 'open' : 'closed');
    }),
  );
});

test('a healthy service costs at most one write a window, whatever its rhythm', () => {
  const rhythm = fc.array(fc.record({ gap: fc.nat(15_000), calls: oneTo(5) }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(rhythm, (batches) => {
      const story = breaker();
      let at = START;
      for (const { gap, calls } of batches) {
        at += gap;
        story.batch(at, ...many(calls, 'success'));
      }
      expect(story.writes()).toBeLessThanOrEqual(Math.floor((at - START) / 10_000) + 1);
    }),
  );
});

test('every change is published once, under an epoch of its own that only grows', () => {
  fc.assert(
    fc.property(gaps, (calls) => {
      const story = breaker({ minimum_number_of_calls: 2, wait_duration_in_open_state_ms: 2000 });
      let at = START;
      for (const { gap, failed } of calls) {
        at += gap;
        story.until(at);
        story.batch(at, outcomeOf(failed));
      }
      const epochs = story.published.map(({ body }) => (body as { epoch: number }).epoch);
      expect(epochs).toEqual(epochs.map((_, n) => n + 1));
    }),
  );
});

describe('how long calls take', () => {
  const timed = (...durations: number[]): Said[] => durations.map((duration_ms) => ({ duration_ms }));

  test('is kept with the pace, and costs no write of its own', () => {
    const story = breaker();
    for (let at = START; at < START + 60_000; at += 500) story.batch(at, ...timed(20, 40));
    expect([story.writes(), story.state('ocr')?.response?.ms]).toEqual([6, 40]);
  });

  test('counts at once when it is longer, and comes down with time', () => {
    const story = breaker();
    const afterwards = [timed(20), timed(500), timed(20), timed(20)].map((calls, n) => {
      story.batch(START + n * 10_000, ...calls);
      return Math.round(story.state('ocr')?.response?.ms ?? 0);
    });
    expect(afterwards).toEqual([20, 500, 197, 85]);
  });

  test('is of every call while some fail', () => {
    const story = breaker();
    story.batch(START, { outcome: 'failure', duration_ms: 30 });
    story.batch(START + 100, { duration_ms: 90 });
    expect(story.state('ocr')?.response).toEqual({ ms: 90, at: START + 100 });
  });

  test('is forgotten by half each minute in which nobody calls', () => {
    expect([0, 60_000, 120_000].map((later) => expectedMs({ ms: 400, at: START }, START + later))).toEqual([400, 200, 100]);
    expect(expectedMs(undefined, START)).toBeUndefined();
  });
});
