import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gathers } from '#functions/gather-aggregator/decide.ts';
import { page } from '#functions/gather-aggregator/queries.ts';
import { PAGE_BYTES, pagesOf } from '#functions/gather-aggregator/results.ts';
import { readerOf } from '#shared/entity/reader.ts';
import type { Store } from '#shared/entity/store.ts';
import { controlGatherPage } from '#shared/messages/control.ts';
import { gatherResult, scatterTask } from '#shared/messages/scatter-gather.ts';
import { drive, received, START } from '#test/support/decide.ts';

const REQUEST = { request_id: 'r1' };

const aggregator = () => drive(gathers, {});
type Aggregator = ReturnType<typeof aggregator>;

const scatter = (limits: Record<string, number>, sentAt = START) =>
  received(scatterTask, REQUEST, { ...REQUEST, ...limits, payload: 'sum' }, { sentAt });

const result = (agent_id: string | undefined, value: unknown = agent_id, sentAt = START) =>
  received(gatherResult, REQUEST, { ...REQUEST, ...(agent_id && { agent_id }), result: value }, { sentAt });

const completions = (story: Aggregator) => story.bodies('gather.r1.complete');

test('it completes as soon as the maximum is there', () => {
  const story = aggregator();
  for (const event of [scatter({ min_responses: 1, max_responses: 2 }), result('a', 1), result('b', 2)]) story.tell(event);
  expect(story.published).toEqual([
    {
      subject: 'gather.r1.complete',
      body: {
        request_id: 'r1',
        status: 'complete',
        count: 2,
        responses: [
          { agent_id: 'a', result: 1 },
          { agent_id: 'b', result: 2 },
        ],
      },
    },
  ]);
  expect(story.wakeAt('r1')).toBeNull();
});

test.each([
  ['complete', 2, ['a', 'b']],
  ['timed_out', 2, ['a']],
  ['timed_out', 1, []],
])('at the timeout it is %s with a minimum of %d and %j', (status, min_responses, agents) => {
  const story = aggregator();
  story.tell(scatter({ min_responses, max_responses: 5, timeout_ms: 1000 }));
  for (const agent of agents) story.tell(result(agent));
  story.until(START + 999);
  expect(completions(story)).toEqual([]);
  story.until(START + 1000);
  expect(completions(story)).toMatchObject([{ status, count: agents.length }]);
});

test('without a maximum the minimum completes it, without a timeout it waits for 30 s', () => {
  const story = aggregator();
  story.tell(scatter({ min_responses: 2 }));
  expect(story.wakeAt('r1')).toBe(START + 30_000);
  for (const agent of ['a', 'b']) story.tell(result(agent));
  expect(completions(story)).toMatchObject([{ status: 'complete', count: 2 }]);
});

test('a timeout longer than a day is a day', () => {
  const story = aggregator();
  story.tell(scatter({ min_responses: 1, timeout_ms: 1e12 }));
  expect(story.wakeAt('r1')).toBe(START + 24 * 3_600_000);
});

test('an agent has one result, the first; the second costs no write', () => {
  const story = aggregator();
  for (const event of [scatter({ min_responses: 2 }), result('a', 1), result('a', 2)]) story.tell(event);
  expect(story.writes()).toBe(2);
  story.tell(result('b', 3));
  expect(completions(story)[0]).toMatchObject({ responses: [{ result: 1 }, { result: 3 }] });
});

test('anonymous results count each, but a record only once', () => {
  const story = aggregator();
  story.tell(scatter({ min_responses: 2 }));
  story.tell(result(undefined, 'x'), 'COORDINATION@0:7:0');
  story.tell(result(undefined, 'x'), 'COORDINATION@0:7:0');
  expect(completions(story)).toEqual([]);
  story.tell(result(undefined, 'x'), 'COORDINATION@0:8:0');
  expect(completions(story)[0]).toMatchObject({ count: 2, responses: [{ result: 'x' }, { result: 'x' }] });
});

test('a scatter without a minimum is its own sender’s: nothing is kept of it', () => {
  const story = aggregator();
  story.tell(scatter({ max_responses: 2 }));
  expect([story.state('r1'), story.writes()]).toEqual([undefined, 0]);
});

test('results whose scatter never comes are let go, and later ones are not kept', () => {
  const story = aggregator();
  for (let n = 0; n < 5; n++) story.tell(result(`a${n}`, 'x'.repeat(10_000)));
  expect(story.children('r1').size).toBe(4);
  story.until(START + 120_000);
  story.tell(result('late'));
  expect([story.state('r1'), story.children('r1').size]).toEqual([{ phase: 'left', at: START + 120_000 }, 0]);
});

test('results that come before their scatter count', () => {
  const story = aggregator();
  for (const event of [result('a'), result('b'), scatter({ min_responses: 2 })]) story.tell(event);
  expect(completions(story)).toMatchObject([{ status: 'complete', count: 2 }]);
});

test('late results are counted and change nothing else', () => {
  const story = aggregator();
  for (const event of [scatter({ min_responses: 1 }), result('a'), result('b'), result('c')]) story.tell(event);
  expect(completions(story)).toMatchObject([{ count: 1 }]);
  expect(story.state('r1')).toEqual({ phase: 'closed', status: 'complete', at: START, late: 2, results: [] });
});

test('results too large for the state are answered whole while they fit a message, and then dropped', () => {
  const story = aggregator();
  story.tell(scatter({ min_responses: 20 }));
  for (let n = 0; n < 20; n++) story.tell(result(`a${n}`, `${n}`.padEnd(10_000, '.')));
  const { responses } = completions(story)[0] as { responses: { agent_id: string; result: string }[] };
  expect(responses.map((response) => [response.agent_id, Number.parseInt(response.result, 10)])).toEqual(
    Array.from({ length: 20 }, (_, n) => [`a${n}`, n]),
  );
  expect(story.children('r1').size).toBe(0);
});

/** As much of a store as a page needs, made of what the story left. */
const storeOf = (story: Aggregator): Pick<Store, 'load' | 'children'> => ({
  load: async ([key]) => new Map([[key, { key, schema: 1, state: story.state('r1') }]]) as never,
  children: async (key, prefix) =>
    [...story.children('r1')].filter(([name]) => name.startsWith(prefix)).map(([name, data]) => ({ key, name, data })),
});

const askFor = async (story: Aggregator, number: number) => {
  const request = received(controlGatherPage, {}, { ...REQUEST, page: number });
  return page.answer(await page.read(request, readerOf(storeOf(story) as Store)), request, 0);
};

test('a thousand results of 10 KB are answered by references, and every page holds its own', async () => {
  const story = aggregator();
  story.tell(scatter({ min_responses: 1000 }));
  for (let n = 0; n < 1000; n++) story.tell(result(`a${n}`, 'x'.repeat(10_000)));
  const [{ count, responses }] = completions(story) as [{ count: number; responses: { agent_id: string; page: number }[] }];
  const last = responses.at(-1)?.page ?? 0;
  const pages = await Promise.all(Array.from({ length: last + 1 }, (_, number) => askFor(story, number)));
  for (const answer of pages) expect(JSON.stringify(answer).length).toBeLessThan(600_000);
  const served = pages.flatMap((answer) => ('body' in answer ? (answer.body as { responses: { agent_id: string }[] }).responses : []));
  expect([count, served.map(({ agent_id }) => agent_id)]).toEqual([1000, responses.map(({ agent_id }) => agent_id)]);
  expect(await askFor(story, last + 1)).toEqual({
    error: { code: 'no_such_page', message: `gather r1 has pages 0 to ${last}, not ${last + 1}` },
  });
});

test('a page takes results up to its size, and one more begins the next', () => {
  const listed = [PAGE_BYTES - 1, 1, 1].map((bytes, n) => ({ from: `a${n}`, bytes }));
  expect(pagesOf(listed)).toEqual([0, 0, 1]);
});

test('a gather that nobody knows has no pages', async () => {
  expect(await askFor(aggregator(), 0)).toMatchObject({ error: { code: 'not_found' } });
});

test('a result that no item could hold is dead-lettered with a sentence, and the others still count', () => {
  const story = aggregator();
  story.tell(scatter({ min_responses: 1 }));
  expect(story.tell(result('a', 'x'.repeat(400_000)))).toMatchObject({ outcome: 'deadLetter', reason: { code: 'result_too_large' } });
  story.tell(result('b'));
  expect(completions(story)).toMatchObject([{ count: 1 }]);
});

test('more responses than a gather can list are refused', () => {
  expect(aggregator().tell(scatter({ min_responses: 5000 }))).toMatchObject({ reason: { code: 'too_many_responses' } });
});

test('an early alarm changes nothing', () => {
  const story = aggregator();
  story.tell(scatter({ min_responses: 2, timeout_ms: 1000 }));
  expect(story.ring('r1')).toEqual({ outcome: 'done' });
});

test('an alarm that rings long after its time waits for the results that waited too', () => {
  const story = aggregator();
  story.tell(scatter({ min_responses: 2, timeout_ms: 1000 }));
  story.until(START + 1000, 60_000);
  expect([completions(story), story.wakeAt('r1')]).toEqual([[], START + 91_000]);
  for (const agent of ['a', 'b']) story.tell(result(agent));
  expect(completions(story)).toMatchObject([{ status: 'complete', count: 2 }]);
});

test('results whose scatter waited for the end of an outage are held until it had its chance', () => {
  const story = aggregator();
  story.tell(result('a'));
  story.until(START + 120_000, 60_000);
  story.tell(result('b'));
  expect(story.wakeAt('r1')).toBe(START + 210_000);
  story.tell(scatter({ min_responses: 2 }));
  expect(completions(story)).toMatchObject([{ status: 'complete', count: 2 }]);
});

test('a scatter that waited for an outage to end has its whole timeout still', () => {
  const story = aggregator();
  story.until(START + 60_000);
  story.tell(scatter({ min_responses: 1, timeout_ms: 1000 }));
  expect(story.wakeAt('r1')).toBe(START + 61_000);
});

const agents = fc.uniqueArray(
  fc.integer({ min: 0, max: 12 }).map((n) => `a${n}`),
  { minLength: 1, maxLength: 8 },
);

/** A scatter for all agents and a result of each, some of them twice, in any order. */
const shuffled = agents.chain((names) => {
  const size = fc.constantFrom(1, 9000, 300_000);
  const once = [{ name: undefined as string | undefined }, ...names.map((name) => ({ name }))];
  const orders = fc.tuple(fc.constant(names), fc.subarray(once), size);
  return orders.chain(([, twice, bytes]) =>
    fc.shuffledSubarray([...once, ...twice], { minLength: once.length + twice.length }).map((order) => ({ names, order, bytes })),
  );
});

test('in whatever order and however often its messages come, a gather completes once, with everyone', () => {
  fc.assert(
    fc.property(shuffled, ({ names, order, bytes }) => {
      const story = aggregator();
      for (const { name } of order)
        story.tell(name ? result(name, 'x'.repeat(bytes)) : scatter({ min_responses: names.length, max_responses: names.length }));
      story.until(START + 3_600_000);
      const [said, ...more] = completions(story) as { count: number; responses: { agent_id: string }[] }[];
      expect([said?.count, said?.responses.map(({ agent_id }) => agent_id).sort(), more]).toEqual([names.length, [...names].sort(), []]);
    }),
  );
});

test('whatever happens when, there are never two completions, and what is said is true', () => {
  const step = fc.oneof(
    fc.constantFrom('a', 'b', 'c', 'd').map((name) => (story: Aggregator) => void story.tell(result(name))),
    fc.constant((story: Aggregator) => void story.tell(scatter({ min_responses: 2, max_responses: 3, timeout_ms: 5000 }))),
    fc.integer({ min: 0, max: 8000 }).map((ms) => (story: Aggregator) => story.until(story.now() + ms, ms % 3000)),
    fc.constant((story: Aggregator) => void story.ring('r1')),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const story = aggregator();
      for (const take of steps) take(story);
      const said = completions(story) as { status: string; count: number }[];
      expect(said.length).toBeLessThanOrEqual(1);
      for (const { status, count } of said) expect(status).toBe(count >= 2 ? 'complete' : 'timed_out');
    }),
  );
});
