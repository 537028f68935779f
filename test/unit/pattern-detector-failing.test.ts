/** How often agents failed within the window, counted in slots, against the list of all their failures. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aged, counted, type Failing, failuresOf, failuresSince, fitting, type Gone, slotOf } from '#functions/pattern-detector/failing.ts';
import { NO_OUTBREAK, outbreakKind } from '#functions/pattern-detector/outbreak.ts';
import { readState } from '#shared/entity/kind.ts';

const WINDOW_MS = 60_000;
const SLOT_MS = slotOf(WINDOW_MS);

type Failure = { agent: string; at: number };

/** All that is counted of failures in the order they come; what is late is of the past at once. */
const count = (failures: readonly Failure[]) => {
  let [fleet, latest]: [Failing[], number] = [[], 0];
  const past: Gone[] = [];
  for (const { agent, at } of failures) {
    latest = Math.max(latest, at);
    const limit = latest - WINDOW_MS;
    const after = aged(fleet, limit, SLOT_MS);
    past.push(...after.gone);
    if (at < limit) past.push({ agent, at, failures: 1 });
    fleet = at < limit ? after.fleet : counted(after.fleet, { agent, at, silent: false }, null, SLOT_MS);
  }
  return { fleet, past, limit: latest - WINDOW_MS };
};

const history = fc
  .array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 30_000 }), fc.integer({ min: 0, max: 20_000 })), {
    maxLength: 60,
  })
  .map((all) => {
    let now = 100_000;
    return all.map(([agent, wait, late]): Failure => {
      now += wait;
      return { agent, at: now - late };
    });
  });

describe('counts in slots', () => {
  test('never say more of the window than there was, and miss no more than a slot of it', () => {
    fc.assert(
      fc.property(history, (failures) => {
        const { fleet, limit } = count(failures);
        for (const one of fleet) {
          const own = failures.filter(({ agent }) => agent === one[0]);
          const since = (from: number) => own.filter(({ at }) => at >= from).length;
          const { failures: counts } = failuresSince(one, limit, SLOT_MS);
          expect(counts).toBeLessThanOrEqual(since(limit));
          expect(counts).toBeGreaterThanOrEqual(since(limit + SLOT_MS));
        }
      }),
    );
  });

  test('lose no failure, and count none of the window as past', () => {
    fc.assert(
      fc.property(history, (failures) => {
        const { fleet, past, limit } = count(failures);
        const gone = past.reduce((sum, one) => sum + one.failures, 0);
        expect(gone + failuresOf(fleet)).toBe(failures.length);
        expect(gone).toBeLessThanOrEqual(failures.filter(({ at }) => at < limit).length);
      }),
    );
  });

  test('are few of an agent, and the agents are in the order of their first failures', () => {
    fc.assert(
      fc.property(history, (failures) => {
        const { fleet } = count(failures);
        const starts = fleet.map(([, from]) => from);
        expect(starts).toEqual(starts.toSorted((a, b) => a - b));
        for (const [, , counts] of fleet) expect(counts.length).toBeLessThanOrEqual(WINDOW_MS / SLOT_MS + 2);
      }),
    );
  });
});

describe('room for few', () => {
  const fleet: Failing[] = [
    ['often', 0, [9], null, null],
    ['told', 1, [12], null, null],
    ['once', 2, [1], null, null],
    ['late', 3, [1], null, null],
  ];
  const left = (told: string[]) => fitting(fleet, 3, () => new Set(told)).map(([id]) => id);

  test('is made first by those whose failures are told, then by the last that failed least', () => {
    expect([left(['told']), left([])]).toEqual([
      ['often', 'once', 'late'],
      ['often', 'told', 'once'],
    ]);
  });
});

test('an outbreak as it was stored before, a list of failures, keeps all but the failures of its last minute', () => {
  const rates = { a: { events: 1, exposure: 2, at: 3 } };
  const item = {
    key: 'outbreak#main',
    schema: 1,
    state: { recent: [{ key: 'k', agent: 'a', at: 5, silent: false }], facts: {}, rates, episodes: [] },
  };
  expect(readState(outbreakKind, item as never)).toEqual({ ...NO_OUTBREAK, rates });
});
