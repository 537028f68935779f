/** What ends a gather and what is made of its results, as Camel's aggregator has it: completion conditions, strategies, partial results. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gathers } from '#functions/gather-aggregator/decide.ts';
import { show } from '#functions/gather-aggregator/queries.ts';
import { controlGatherCancel, controlGatherShow } from '#shared/messages/control.ts';
import { readMessage } from '#shared/messages/read.ts';
import { gatherResult, scatterTask } from '#shared/messages/scatter-gather.ts';
import { drive, received, START } from '#test/support/decide.ts';
import { recordOn } from '#test/support/message-examples.ts';

const REQUEST = { request_id: 'r1' };

type Rules = Record<string, unknown>;
type Said = Record<string, unknown> & { responses?: { agent_id: string }[] };

const aggregator = () => drive(gathers, {});
type Aggregator = ReturnType<typeof aggregator>;

const scatter = (rules: Rules) => received(scatterTask, REQUEST, { ...REQUEST, min_responses: 1, ...rules });
const answer = (agent_id: string, said: { result: unknown } | { error: unknown }, sentAt = START) =>
  received(gatherResult, REQUEST, { ...REQUEST, agent_id, ...said }, { sentAt });
const result = (agent_id: string, value: unknown, sentAt?: number) => answer(agent_id, { result: value }, sentAt);
const cancel = () => received(controlGatherCancel, {}, REQUEST);

const completions = (story: Aggregator) => story.bodies('gather.r1.complete') as Said[];

/** Tells a scatter and then what the agents a, b, c ... answer. */
const gather = (rules: Rules, ...results: unknown[]): Aggregator => {
  const story = aggregator();
  story.tell(scatter(rules));
  for (const [n, value] of results.entries()) {
    const agent = String.fromCharCode(97 + n);
    story.tell(value instanceof Error ? answer(agent, { error: value.message }) : result(agent, value));
  }
  return story;
};

const broken = new Error('broken');

test.each<[name: string, rules: Rules, results: unknown[], said: Rules]>([
  ['size', { min_responses: 2, max_responses: 2, strategy: 'collect' }, [1, 2], { status: 'complete', count: 2 }],
  ['quorum', { max_responses: 5, quorum: { count: 2 } }, ['x', 'y', 'x'], { status: 'complete', agreed: { value: 'x', count: 2 } }],
  [
    'quorum',
    { max_responses: 5, quorum: { count: 2, field: 'label.name' } },
    [{ label: { name: 'cat' }, p: 1 }, { p: 2 }, { label: { name: 'cat' }, p: 3 }],
    { status: 'complete', count: 3, agreed: { value: 'cat', count: 2 } },
  ],
  [
    'predicate',
    { min_responses: 5, complete_when: { result: { score: [{ numeric: ['>=', 0.9] }] } } },
    [{ score: 0.2 }, { score: 0.95 }],
    { status: 'complete', count: 2 },
  ],
  [
    'predicate',
    { min_responses: 9, strategy: 'reduce', reduce: { op: 'sum' }, complete_when: { so_far: { value: [{ numeric: ['>', 10] }] } } },
    [6, 6],
    { status: 'complete', value: 12 },
  ],
  ['predicate', { min_responses: 9, complete_when: { so_far: { failed: [2] } } }, [broken, 1, broken], { count: 3, failed: 2 }],
  [
    'first',
    { min_responses: 3, strategy: 'first' },
    [broken, 7],
    { status: 'complete', failed: 1, responses: [{ agent_id: 'b', result: 7 }] },
  ],
])('completion by %s with %j', (completed_by, rules, results, said) => {
  expect(completions(gather(rules, ...results))).toMatchObject([{ ...said, completed_by }]);
});

test('completion by timeout and by inactivity: whichever comes first', () => {
  const story = gather({ min_responses: 3, timeout_ms: 10_000, idle_timeout_ms: 4000 });
  expect(story.wakeAt('r1')).toBe(START + 10_000);
  for (const ms of [1000, 3000]) story.tell(result(`a${ms}`, ms, START + ms));
  expect(story.wakeAt('r1')).toBe(START + 7000);
  story.until(START + 7000);
  expect(completions(story)).toMatchObject([{ status: 'timed_out', completed_by: 'inactivity', count: 2 }]);
});

test('a duplicate is no activity, and inactivity never goes beyond the timeout', () => {
  const story = gather({ min_responses: 3, timeout_ms: 5000, idle_timeout_ms: 4000 }, 1);
  story.tell(result('a', 1, START + 3000));
  expect(story.wakeAt('r1')).toBe(START + 4000);
  story.tell(result('b', 1, START + 3500));
  story.until(START + 5000);
  expect(completions(story)).toMatchObject([{ completed_by: 'timeout', count: 2 }]);
});

test('inactivity during an outage is nobody’s: what waited is heard first', () => {
  const story = gather({ min_responses: 2, timeout_ms: 5000, idle_timeout_ms: 1000 }, 1);
  story.until(START + 1000, 60_000);
  expect(completions(story)).toEqual([]);
  story.tell(result('b', 2, START + 900));
  expect(completions(story)).toMatchObject([{ status: 'complete', count: 2 }]);
});

test.each<[strategy: string, rules: Rules, said: Rules]>([
  ['merge', { strategy: 'merge' }, { value: { n: 5, tags: ['q'], in: { d: 1 } }, failed: 1 }],
  ['sum', { strategy: 'reduce', reduce: { op: 'sum', field: 'n' } }, { value: 7, failed: 1 }],
  ['min', { strategy: 'reduce', reduce: { op: 'min', field: 'n' } }, { value: 2, failed: 1 }],
  ['max', { strategy: 'reduce', reduce: { op: 'max', field: 'n' } }, { value: 5, failed: 1 }],
  ['mean', { strategy: 'reduce', reduce: { op: 'mean', field: 'n' } }, { value: 3.5, failed: 1 }],
  ['count', { strategy: 'reduce', reduce: { op: 'count', field: 'in' } }, { value: 1, failed: 2 }],
  ['concat', { strategy: 'reduce', reduce: { op: 'concat', field: 'tags' } }, { value: ['p', 'q'], failed: 1 }],
])('the strategy %s makes one value, and what it cannot use has failed', (_, rules, said) => {
  const story = gather({ min_responses: 3, ...rules }, { n: 2, tags: ['p'], in: { d: 1 } }, { n: 5, tags: ['q'] }, 'nothing of use');
  expect(completions(story)).toEqual([{ ...REQUEST, status: 'complete', count: 3, completed_by: 'size', ...said }]);
});

test('of a merge the later answer wins, whole fields at a time', () => {
  const story = gather({ min_responses: 2, strategy: 'merge' }, { in: { x: 1 }, y: 1 }, JSON.parse('{ "in": { "z": 2 }, "__proto__": 3 }'));
  expect(JSON.stringify(completions(story)[0]?.value)).toBe('{"in":{"z":2},"y":1,"__proto__":3}');
});

test('a partial result says who is missing, and errors are counted apart', () => {
  const rules = { min_responses: 4, expected: ['a', 'b', 'c', 'd'], allow_partial: true, timeout_ms: 1000 };
  const story = gather(rules, 1, broken);
  story.until(START + 1000);
  const responses = [
    { agent_id: 'a', result: 1 },
    { agent_id: 'b', error: 'broken' },
  ];
  const said = { status: 'partial', count: 2, completed_by: 'timeout', failed: 1, missing: ['c', 'd'], responses };
  expect(completions(story)).toEqual([{ ...REQUEST, ...said }]);
});

test.each<[status: string, why: string, rules: Rules, results: unknown[]]>([
  ['timed_out', 'nobody answered', { allow_partial: true }, []],
  ['timed_out', 'partial results are not allowed', { min_responses: 3, expected: ['a', 'b', 'c'] }, [1]],
  ['timed_out', 'only errors came', { min_responses: 3, allow_partial: true }, [broken]],
  ['partial', 'there is no quorum yet', { max_responses: 3, quorum: { count: 2 }, allow_partial: true }, [1]],
  ['complete', 'the minimum came', { max_responses: 3, strategy: 'collect' }, [1]],
  ['unresolved', 'all answered and do not agree', { max_responses: 3, quorum: { count: 2 } }, [1, 2, 3]],
  ['unresolved', 'all answered with errors', { min_responses: 2, strategy: 'first' }, [broken, broken]],
])('%s: %s', (status, _, rules, results) => {
  const story = gather({ timeout_ms: 1000, ...rules }, ...results);
  story.until(START + 1000);
  expect(completions(story)).toMatchObject([{ status, count: results.length }]);
});

test('who is expected are how many may come, where the scatter does not say', () => {
  const story = gather({ min_responses: 1, expected: ['a', 'b', 'a'] }, 1);
  expect(completions(story)).toEqual([]);
  story.tell(result('b', 2));
  expect(completions(story)).toMatchObject([{ status: 'complete', count: 2, missing: [] }]);
});

test('a gather that is cancelled says at once what came, once', () => {
  const story = gather({ min_responses: 3, expected: ['a', 'b', 'c'] }, 1);
  const said = { ...REQUEST, status: 'partial', count: 1, completed_by: 'cancel', failed: 0, missing: ['b', 'c'] };
  expect(story.tell(cancel())).toMatchObject({ reply: { body: said } });
  expect(completions(story)).toEqual([{ ...said, responses: [{ agent_id: 'a', result: 1 }] }]);
  expect(story.tell(cancel())).toMatchObject({ reply: { error: { code: 'already_ended' } } });
  expect([completions(story).length, story.wakeAt('r1')]).toEqual([1, null]);
});

test.each<[status: string, results: unknown[]]>([
  ['unresolved', []],
  ['partial', [1]],
  ['complete', [1, 2]],
])('a scatter without rules that is cancelled is %s after %j', (status, results) => {
  const story = gather({ min_responses: 2, max_responses: 5 }, ...results);
  story.tell(cancel());
  expect(completions(story)).toMatchObject([{ status, count: results.length, completed_by: 'cancel' }]);
});

test('what nobody scatters cannot be cancelled', () => {
  const story = aggregator();
  story.tell(result('a', 1));
  expect(story.tell(cancel())).toMatchObject({ reply: { error: { code: 'not_found' } } });
});

const shown = (story: Aggregator) => show.answer(story.state('r1'), received(controlGatherShow, {}, REQUEST), 0);

test('its progress: who came, who is missing, until when', () => {
  const rules = { min_responses: 2, expected: ['a', 'b', 'c'], idle_timeout_ms: 1000, strategy: 'reduce', reduce: { op: 'sum' } };
  const story = gather(rules, 4);
  const times = { waits_until: '2026-01-01T00:00:01.000Z', deadline: '2026-01-01T00:00:30.000Z' };
  const open = { count: 1, agents: ['a'], min_responses: 2, max_responses: 3, failed: 0, missing: ['b', 'c'], value: 4, ...times };
  expect(shown(story)).toEqual({ body: { ...REQUEST, phase: 'open', ...open } });
  story.tell(cancel());
  const closed = { phase: 'closed', status: 'partial', completed_by: 'cancel', completed_at: '2026-01-01T00:00:00.000Z', late: 0 };
  expect(shown(story)).toEqual({ body: { ...REQUEST, ...closed } });
});

test('its progress before its scatter came, and of one that nobody knows', () => {
  const story = aggregator();
  expect(shown(story)).toMatchObject({ error: { code: 'not_found' } });
  story.tell(result('a', 1));
  expect(shown(story)).toMatchObject({ body: { phase: 'early', count: 1, agents: ['a'] } });
});

const reading = (body: object, headers: Record<string, string[]> = {}) =>
  readMessage([scatterTask], recordOn('scatter.r1.task', { min_responses: 2, ...body }, { headers }));

test.each<[wrong: string, rules: Rules, sentence: RegExp]>([
  ['a quorum of more than may come', { quorum: { count: 3 } }, /^quorum.count: .*must be at most max_responses/],
  ['an unknown field of a quorum', { quorum: { count: 1, feild: 'x' } }, /feild/],
  ['a reduction without an operation', { strategy: 'reduce' }, /^reduce: .*must be there with the strategy reduce/],
  ['an operation without a reduction', { reduce: { op: 'sum' } }, /^reduce: .*must be there with the strategy reduce/],
  [
    'more expected agents than a state bears',
    { expected: Array.from({ length: 2000 }, (_, n) => `${n}`.padEnd(100, 'x')) },
    /^expected: .*must have 100000 bytes at most/,
  ],
])('%s is refused with a sentence', (_, rules, sentence) => {
  const read = reading(rules);
  expect(read.ok ? undefined : read.message).toMatch(sentence);
});

test('a predicate that is no event pattern is refused with a sentence', () => {
  const decision = aggregator().tell(scatter({ complete_when: { result: 'x' } }));
  const message = 'scatter r1: complete_when is no event pattern: result: needs a list of values';
  expect(decision).toEqual({ outcome: 'deadLetter', reason: { code: 'bad_complete_when', message } });
});

test('a raw scatter has its inactivity from its header, and its payload sets no rules', () => {
  const headers = { 'X-Min-Responses': ['2'], 'X-Idle-Timeout-Ms': ['500'] };
  const read = readMessage(
    [scatterTask],
    recordOn(
      'scatter.r1.task',
      { strategy: 'first', expected: ['a'], timeout_ms: 1 },
      { headers, timestamp: new Date(START).toISOString() },
    ),
  );
  const story = aggregator();
  if (read.ok) story.tell(read.event);
  expect(story.state('r1')).toMatchObject({ min: 2, max: 2, deadline: START + 30_000, rules: { strategy: 'collect', idle: 500 } });
});

test('a scatter without rules leaves no trace of any', () => {
  const open = { phase: 'open', min: 2, max: 2, deadline: START + 30_000, results: [] };
  expect(gather({ min_responses: 2 }).state('r1')).toEqual(open);
});

/** How often the children would be read. */
const readsOf = (rules: Rules, results: unknown[]): number => {
  let reads = 0;
  const counted = {
    ...gathers,
    needsChildren: (...told: Parameters<NonNullable<typeof gathers.needsChildren>>) => {
      const needed = gathers.needsChildren?.(...told) ?? false;
      if (needed) reads++;
      return needed;
    },
  };
  const story = drive(counted, {});
  story.tell(scatter({ min_responses: results.length, ...rules }));
  for (const [n, value] of results.entries()) story.tell(result(`a${n}`, value));
  return reads;
};

test('earlier results are read once, at the end, and by a figure or a first result never', () => {
  const large = Array.from({ length: 40 }, (_, n) => ({ n, text: 'x'.repeat(10_000) }));
  const reduce = { strategy: 'reduce', reduce: { op: 'sum', field: 'n' } };
  const quorum = { quorum: { count: 40, field: 'text' } };
  const reads = [{}, { strategy: 'merge' }, quorum, reduce, { strategy: 'first' }].map((rules) => readsOf(rules, large));
  expect(reads).toEqual([1, 1, 1, 0, 0]);
});

test('of a result that goes into a figure its state keeps a line, and 2000 of them fit an item', () => {
  const story = gather({ min_responses: 300, strategy: 'reduce', reduce: { op: 'sum', field: 'n' }, quorum: { count: 300, field: 'n' } });
  for (let n = 0; n < 200; n++) story.tell(result(`agent-${n}`, { n, text: 'x'.repeat(5000) }));
  expect(JSON.stringify(story.state('r1')).length * 10).toBeLessThan(250_000);
  expect(story.children('r1').size).toBe(0);
});

test('what would make a merge too large for a message has failed', () => {
  const story = gather({ min_responses: 3, strategy: 'merge' }, ...['a', 'b', 'c'].map((name) => ({ [name]: 'x'.repeat(250_000) })));
  const [said] = completions(story);
  expect([Object.keys(said?.value ?? {}), said?.failed, story.children('r1').size]).toEqual([['a', 'b'], 1, 0]);
});

test('rules cannot be applied to more early results than one answer holds', () => {
  const story = aggregator();
  for (const agent of ['a', 'b']) story.tell(result(agent, 'x'.repeat(300_000)));
  expect(story.tell(scatter({ strategy: 'first' }))).toMatchObject({ outcome: 'deadLetter', reason: { code: 'too_much_before' } });
});

/** Results of agents by name: small, large, useless, failed. */
const fleets = fc.dictionary(
  fc.integer({ min: 0, max: 9 }).map((n) => `a${n}`),
  fc.oneof(
    fc.record({ result: fc.record({ n: fc.integer({ min: -50, max: 50 }), text: fc.constantFrom('', 'x'.repeat(9000)) }) }),
    fc.record({ result: fc.constantFrom(null, 'x', {}) }),
    fc.record({ error: fc.string() }),
  ),
  { minKeys: 1, noNullPrototype: true },
);
type Fleet = Record<string, { result: unknown } | { error: unknown }>;

/** A scatter and a result of each, some of them twice, in any order. */
const orders = fleets.chain((fleet) => {
  const once: (string | undefined)[] = [undefined, ...Object.keys(fleet)];
  const all = fc.subarray(once).chain((twice) => fc.shuffledSubarray([...once, ...twice], { minLength: once.length + twice.length }));
  return all.map((order) => ({ fleet: fleet as Fleet, order }));
});

/** All answers at once, the slow way. */
const model = (fleet: Fleet, op: string) => {
  const numbers = Object.values(fleet).flatMap((said) => ('result' in said ? ((said.result as { n?: number } | null)?.n ?? []) : []));
  const total = numbers.reduce((sum, n) => sum + n, 0);
  const least = Math.min(...numbers);
  const values: Record<string, number> = { sum: total, min: least, max: Math.max(...numbers), mean: total / numbers.length };
  const count = Object.keys(fleet).length;
  const value = op === 'count' ? numbers.length : numbers.length > 0 ? values[op] : undefined;
  return { ...REQUEST, status: 'complete', completed_by: 'size', count, failed: count - numbers.length, missing: ['absent'], value };
};

test.each(['sum', 'min', 'max', 'mean', 'count'])('%s: in any order, however often told, one completion, and the same', (op) => {
  fc.assert(
    fc.property(orders, ({ fleet, order }) => {
      const size = Object.keys(fleet).length;
      const limits = { min_responses: size, max_responses: size, expected: [...Object.keys(fleet), 'absent'] };
      const story = aggregator();
      for (const name of order) {
        if (name) story.tell(answer(name, fleet[name] as { result: unknown }));
        else story.tell(scatter({ ...limits, strategy: 'reduce', reduce: { op, field: 'n' } }));
      }
      story.until(START + 3_600_000);
      expect(completions(story)).toEqual([JSON.parse(JSON.stringify(model(fleet, op)))]);
      expect(story.children('r1').size).toBe(0);
    }),
    { numRuns: 60 },
  );
});

const RULES: fc.Arbitrary<Rules> = fc.record(
  {
    strategy: fc.constantFrom('collect', 'first', 'merge'),
    quorum: fc.record({ count: fc.integer({ min: 1, max: 3 }), field: fc.constant('n') }),
    complete_when: fc.constant({ result: { n: [{ numeric: ['>', 40] }] } }),
    idle_timeout_ms: fc.integer({ min: 1, max: 5000 }),
    allow_partial: fc.boolean(),
    expected: fc.constant(['a0', 'a1', 'a2']),
  },
  { requiredKeys: [] },
);

test('whatever the rules and whenever its messages come, a gather is completed once, truly, and leaves no children', () => {
  fc.assert(
    fc.property(orders, RULES, fc.integer({ min: 0, max: 3000 }), ({ fleet, order }, rules, pace) => {
      const story = aggregator();
      for (const name of order) {
        if (name) story.tell(answer(name, fleet[name] as { result: unknown }, story.now()));
        else story.tell(scatter({ min_responses: 3, max_responses: 4, timeout_ms: 10_000, ...rules }));
        story.until(story.now() + pace);
      }
      story.until(START + 3_600_000);
      const [said, ...more] = completions(story);
      const missing = said?.missing as string[] | undefined;
      expect([more, story.children('r1').size]).toEqual([[], 0]);
      expect(said?.count).toBeLessThanOrEqual(Object.keys(fleet).length);
      for (const { agent_id } of said?.responses ?? [])
        expect([agent_id in fleet, missing?.includes(agent_id) ?? false]).toEqual([true, false]);
    }),
  );
});
