/** Workflows: pipelines that are followed, defined ones that are driven; retry, cancel, and one end. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { show } from '#functions/workflow/queries.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { controlWorkflowShow } from '#shared/messages/control-coordination.ts';
import { received } from '#test/support/decide.ts';
import { workflowWorld } from '#test/support/workflow-world.ts';

describe('a pipeline that hands itself on', () => {
  test('is followed from stage to stage, with who did what', () => {
    const world = workflowWorld();
    world.stage('01.extract', 'doc', 'kim');
    world.stage('02.analyze', 'text', 'extractor');
    world.complete('words', 'analyzer');
    expect([world.status(), world.stages(), world.published]).toEqual([
      'completed',
      { '01.extract': 'complete', '02.analyze': 'complete' },
      [],
    ]);
    expect(Object.values(world.state('w1')?.stages ?? {}).map(({ from, by }) => [from, by])).toEqual([
      ['kim', 'extractor'],
      ['extractor', 'analyzer'],
    ]);
    expect(world.history()).toEqual([
      'started 01.extract',
      'started 02.analyze',
      'complete 01.extract',
      'complete 02.analyze',
      'completed',
    ]);
  });

  test('has a stage that nobody continues published again as it was, up to its attempts, and then one error', () => {
    const world = workflowWorld();
    world.stage('01.extract', 'doc', 'kim', { 'X-Trace-ID': ['t1'], 'Nats-Msg-Id': ['m1'] });
    world.pass(10_000);
    expect(world.given()).toEqual(
      ['1', '2'].map((retries) => ({
        stage: '01.extract',
        value: 'doc',
        headers: { 'X-Agent-ID': ['kim'], 'X-Trace-ID': ['t1'], 'X-Retry-Count': [retries] },
      })),
    );
    const message = 'nobody continued stage 01.extract in time, and 3 attempts are used up';
    expect(world.bodies('coord.')).toEqual([
      { workflow_id: 'w1', stage: '01.extract', status: 'failed', error: { code: 'stage_timed_out', message } },
    ]);
  });

  test('says in X-Timeout-Ms how long a stage may take, and a worker that took it gets that time anew', () => {
    const world = workflowWorld();
    world.stage('01.extract', 'doc', 'kim', { 'X-Timeout-Ms': ['5000'] });
    world.pass(4000);
    world.say('ready', { stage: 'extract' }, 'extractor');
    world.pass(4999);
    expect([world.started(), world.state('w1')?.stages['01.extract']?.by]).toEqual([[], 'extractor']);
    world.pass(1);
    expect(world.started()).toEqual(['01.extract']);
  });

  test('is at all parallel stages until a message of a higher number comes, and gives a join all that it was given', () => {
    const world = workflowWorld();
    world.stage('02.words', 'doc');
    world.stage('02.images', 'doc');
    world.stage('03.join', 'words');
    world.stage('03.join', 'images');
    world.stage('03.join', 'images');
    world.pass(1000);
    expect([world.stages(), world.given().map(({ value }) => value)]).toEqual([
      { '02.words': 'complete', '02.images': 'complete', '03.join': 'running' },
      ['words', 'images'],
    ]);
  });

  test('is followed in whatever order it is heard, and is over when its end comes first', () => {
    const world = workflowWorld();
    world.stage('02.analyze', 'text');
    world.stage('01.extract', 'doc');
    expect(world.stages()).toEqual({ '01.extract': 'complete', '02.analyze': 'running' });
    const other = workflowWorld();
    other.complete('words');
    other.stage('01.extract', 'doc');
    other.pass(10_000);
    expect([other.status(), other.started()]).toEqual(['completed', []]);
  });

  test('whose stage says error, however often, has it published again once, a second later', () => {
    const world = workflowWorld({ WORKFLOW_STAGE_TIMEOUT_MS: '60000' });
    world.stage('01.extract', 'doc');
    for (let times = 0; times < 4; times++) world.say('error', { stage: '01.extract', error: 'no text' });
    expect(world.history()).toEqual(['started 01.extract', 'error 01.extract']);
    world.pass(999);
    expect(world.started()).toEqual([]);
    world.pass(1);
    expect(world.started()).toEqual(['01.extract']);
  });

  test('whose stage said error is tried again when it is time, though somebody still says ready', () => {
    const world = workflowWorld({ WORKFLOW_STAGE_TIMEOUT_MS: '60000' });
    world.stage('01.extract', 'doc');
    world.say('error', { stage: 'extract' }, 'extractor');
    world.say('ready', { stage: 'extract' }, 'extractor');
    world.pass(1000);
    expect(world.started()).toEqual(['01.extract']);
  });

  test('gives what cannot be kept no second attempt, and says why', () => {
    const world = workflowWorld();
    world.stage('01.extract', 'x'.repeat(400_000));
    world.pass(1000);
    expect([world.started(), world.bodies('coord.')]).toEqual([[], [expect.objectContaining({ status: 'failed' })]]);
  });

  test('whose alarm is late was not heard either: it gets time before anything is published again', () => {
    const world = workflowWorld();
    world.stage('01.extract', 'doc');
    world.pass(60_000 - 1, 30_000);
    expect(world.started()).toEqual([]);
  });

  test('whose alarm was late is not put off for ever by what others say', () => {
    const world = workflowWorld();
    world.stage('01.extract', 'doc');
    world.stage('01.other', 'doc', 'kim', { 'X-Timeout-Ms': ['60000'] });
    for (let n = 0; n < 60; n++) {
      world.pass(1000, 3000);
      world.say('ready', { stage: 'other' }, `worker-${n}`);
    }
    expect(world.started()).toContain('01.extract');
  });

  test('whose alarms are late for good still ends', () => {
    const world = workflowWorld();
    world.stage('01.extract', 'doc');
    world.pass(1_000_000, 3000);
    expect([world.status(), world.started()]).toEqual(['failed', ['01.extract', '01.extract']]);
  });

  test('has as much published again at once as fits an answer, and the rest right after', () => {
    const world = workflowWorld({ WORKFLOW_STAGE_ATTEMPTS: '2' });
    for (let n = 10; n < 30; n++) world.stage(`10.part${n}`, `${n}${'x'.repeat(340_000)}`);
    world.say('ready', { stage: 'none' }, 'kim', 1000);
    expect(world.ring('w1')).toMatchObject({ publish: { length: 6 }, wakeAt: world.now() });
    world.pass(1);
    expect(new Set(world.started()).size).toBe(20);
  });

  test('does nothing when an alarm is early, or nobody set it', () => {
    const world = workflowWorld();
    world.stage('01.extract', 'doc');
    for (const more of [{}, { swept: true as const }]) expect(world.ring('w1', more)).toEqual({ outcome: 'done' });
    world.complete('words');
    expect(world.ring('w1')).toEqual({ outcome: 'done' });
  });

  test('with a stage number that is none is refused with a sentence', () => {
    expect(workflowWorld().stage('first.extract', 'doc')).toMatchObject({ outcome: 'deadLetter', reason: { code: 'bad_stage_number' } });
  });
});

const join = [
  { number: 1, name: 'extract' },
  { number: 2, name: 'words' },
  { number: 2, name: 'images' },
  { number: 3, name: 'merge' },
];

describe('a defined workflow', () => {
  test('goes on when all parallel stages are complete, with their results by name', () => {
    const world = workflowWorld();
    world.start(join);
    world.say('complete', { stage: '01.extract', result: { pages: 2 } });
    world.say('complete', { stage: 'images', result: ['a.png'] });
    expect(world.started()).toEqual(['01.extract', '02.images', '02.words']);
    world.say('complete', { stage: 'words', result: 'hello' });
    world.say('complete', { stage: 'merge', result: 'done' });
    expect(world.given().map(({ value }) => value)).toEqual(['doc', { pages: 2 }, { pages: 2 }, { words: 'hello', images: ['a.png'] }]);
    expect(world.published.slice(4)).toEqual([
      { subject: 'pipeline.w1.complete', raw: { data: 'done', encoding: 'utf8' } },
      { subject: 'coord.w1.complete', body: { workflow_id: 'w1', status: 'completed' } },
    ]);
  });

  test('lets a worker hand on by itself where that is clear', () => {
    const world = workflowWorld();
    world.start([
      { number: 1, name: 'extract' },
      { number: 2, name: 'analyze' },
    ]);
    world.stage('02.analyze', 'text', 'extractor');
    world.stage('02.analyze', 'text', 'extractor');
    world.complete('words', 'analyzer');
    expect([world.status(), world.started(), world.published.at(-1)?.subject]).toEqual(['completed', ['01.extract'], 'coord.w1.complete']);
  });

  test('has to be told by number where two stages have a name: what is said of the first twice is not of the second', () => {
    const world = workflowWorld();
    world.start(['review', 'mend', 'review'].map((name, n) => ({ number: n + 1, name })));
    for (const stage of ['01.review', 'mend', 'review', '01.review']) world.say('complete', { stage });
    expect(world.stages()).toEqual({ '01.review': 'complete', '02.mend': 'complete', '03.review': 'running' });
  });

  test('joins stages whatever they are called', () => {
    const world = workflowWorld();
    const names = ['toString', 'constructor', '-', '007', '_'];
    world.start(names.map((name) => ({ number: 1, name })));
    for (const stage of names) world.say('complete', { stage, result: stage });
    const joined = world.published.find(({ subject }) => subject === 'pipeline.w1.complete');
    expect(Object.entries(JSON.parse(joined?.raw?.data ?? '')).toSorted()).toEqual(names.map((name) => [name, name]).toSorted());
  });

  test('waits for all of its last stages, though the worker of one publishes the end', () => {
    const world = workflowWorld();
    world.start(join.slice(1, 3));
    world.say('complete', { stage: 'images', result: ['a.png'] });
    world.complete('hello', 'words');
    expect([world.status(), world.stages()]).toEqual(['running', { '02.images': 'complete', '02.words': 'running' }]);
  });

  test('gives its stages no more at once than fits an answer', () => {
    const wide = Array.from({ length: 40 }, (_, n) => ({ number: 2, name: `n${n}` }));
    const large = 'x'.repeat(60_000);
    expect(workflowWorld().start(wide, large)).toMatchObject({ reply: { error: { code: 'payload_too_large' } } });
    const world = workflowWorld();
    world.start([{ number: 1, name: 'split' }, ...wide]);
    world.say('complete', { stage: 'split', result: large });
    expect(world.bodies('coord.w1.error')).toMatchObject([{ stage: '01.split', error: { code: 'result_too_large' } }]);
  });

  test('is one however often it is started, and its id is no other one', () => {
    const world = workflowWorld();
    expect(world.start(join)).toEqual(expect.objectContaining({ reply: { body: { workflow_id: 'w1', stages: 4 } } }));
    expect(world.start(join)).toMatchObject({ reply: { body: { workflow_id: 'w1' } } });
    expect(world.start(join, 'another')).toMatchObject({ reply: { error: { code: 'already_known' } } });
    expect(world.started()).toEqual(['01.extract']);
  });

  test('that fails in one of its parallel stages cancels the others', () => {
    const world = workflowWorld();
    world.start(join.slice(1).map((stage) => ({ ...stage, max_attempts: 1 })));
    world.say('error', { stage: 'words', error: 'no text' });
    expect(world.published.slice(2)).toEqual([
      { subject: 'coord.w1.cancel', body: { workflow_id: 'w1', reason: 'stage 02.words failed', stages: ['02.images'] } },
      { subject: 'coord.w1.error', body: { workflow_id: 'w1', stage: '02.words', error: 'no text', status: 'failed' } },
    ]);
  });
});

test('a long history is shown page by page', async () => {
  const world = workflowWorld({ WORKFLOW_STAGE_ATTEMPTS: '300' });
  world.stage('01.extract', 'doc');
  world.pass(250_000);
  const children = async (_: unknown, __: string, prefix: string, { after = '', limit = Infinity }) =>
    new Map([...world.children('w1')].filter(([name]) => name.startsWith(prefix) && name > after).slice(0, limit));
  const reader = { load: async () => new Map([['w1', world.state('w1')]]), children } as unknown as Reader;
  const page = async (after?: string) => {
    const request = received(controlWorkflowShow, {}, { workflow_id: 'w1', ...(after && { after }) });
    return show.answer(await show.read(request, reader), request, 0) as { body: { history: { event: string }[]; next?: string } };
  };
  const { body: first } = await page();
  const { body: second } = await page(first.next);
  expect([...first.history, ...second.history].map(({ event }) => event)).toEqual(['started', ...Array(250).fill('retried')]);
  expect([first.history.length, second.next]).toEqual([200, undefined]);
});

describe('a cancel', () => {
  test('reaches the stages under way, and nothing is tried again', () => {
    const world = workflowWorld();
    world.start(join.slice(1));
    expect(world.cancel()).toMatchObject({ reply: { body: { status: 'cancelled' } } });
    world.pass(100_000);
    expect(world.bodies('coord.')).toEqual([{ workflow_id: 'w1', reason: 'not wanted', stages: ['02.images', '02.words'] }]);
    expect([world.started(), world.cancel()]).toEqual([
      ['02.images', '02.words'],
      expect.objectContaining({ reply: { error: { code: 'already_ended', message: 'workflow w1 has ended already: cancelled' } } }),
    ]);
  });

  test('that somebody published is heard by all: only who continues all the same is told again', () => {
    const world = workflowWorld();
    world.stage('01.extract', 'doc');
    world.say('cancel', { reason: 'not wanted' });
    expect(world.published).toEqual([]);
    world.stage('02.analyze', 'text');
    expect(world.bodies('coord.w1.cancel')).toEqual([{ workflow_id: 'w1', reason: 'not wanted', stages: ['02.analyze'] }]);
  });

  test('that comes before the first stage holds', () => {
    const world = workflowWorld();
    world.say('cancel');
    world.stage('01.extract', 'doc');
    world.pass(10_000);
    expect([world.status(), world.started()]).toEqual(['cancelled', []]);
  });
});

const plans = fc
  .array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 })
  .map((widths) => widths.flatMap((width, n) => Array.from({ length: width }, (_, m) => ({ number: n + 1, name: `n${m}` }))));
/** What a worker does with an attempt, and how often and how late it says so, ms. */
const attempts = fc.array(
  fc.record({
    does: fc.constantFrom('completes', 'completes', 'completes', 'fails', 'dies'),
    says: fc.array(fc.constantFrom(0, 10, 900, 5000), { minLength: 1, maxLength: 3 }),
  }),
  { minLength: 1, maxLength: 30 },
);
/** Of every alarm, ms. */
const lateness = fc.constantFrom(0, 0, 500, 3000);

test('with alarms that are late, and workers that die, fail, and say things late and twice, numbers come in order, joined, and the workflow ends once', () => {
  fc.assert(
    fc.property(
      plans,
      attempts,
      fc.option(fc.integer({ min: 0, max: 4000 }), { nil: undefined }),
      lateness,
      (plan, doings, cancelAt, late) => {
        const world = workflowWorld();
        const completed = new Map<string, unknown>();
        let later: { at: number; run: () => void }[] = cancelAt === undefined ? [] : [{ at: world.now() + cancelAt, run: world.cancel }];
        let seen = 0;
        const obey = (): void => {
          for (; seen < world.given().length; seen++) {
            const { stage, value } = world.given()[seen] as { stage: string; value: unknown };
            const number = Number(stage.slice(0, 2));
            const before = plan
              .filter((one) => one.number === number - 1)
              .map(({ name }) => [name, completed.get(`0${number - 1}.${name}`)]);
            // All of the number before it have completed, and this is what they answered.
            expect(value).toEqual(number === 1 ? 'doc' : before.length === 1 ? before[0]?.[1] : Object.fromEntries(before));
            const { does, says } = doings[seen % doings.length] as { does: string; says: number[] };
            if (does === 'dies') continue;
            for (const after of says) {
              const run = () => {
                if (does === 'completes' && world.stages()[stage] === 'running') completed.set(stage, { did: stage });
                world.say(does === 'completes' ? 'complete' : 'error', { stage, ...(does === 'completes' && { result: { did: stage } }) });
              };
              later.push({ at: world.now() + after, run });
            }
          }
        };
        world.start(plan);
        obey();
        for (let steps = 0; steps < 1000; steps++) {
          const next = Math.min(world.wakeAt('w1') ?? Infinity, ...later.map(({ at }) => at));
          if (next === Infinity) break;
          world.until(next, late);
          obey();
          const due = later.filter(({ at }) => at <= next);
          later = later.filter(({ at }) => at > next);
          for (const { run } of due) {
            run();
            obey();
          }
        }
        const ends = [
          ...world.bodies('coord.w1.complete').map(({ status }) => status),
          ...world.bodies('coord.w1.error').map(({ status }) => status),
        ];
        expect(world.wakeAt('w1')).toBeNull();
        expect([world.status(), ends]).toEqual([world.status(), world.status() === 'cancelled' ? [] : [world.status()]]);
        expect(['completed', 'failed', 'cancelled']).toContain(world.status());
        expect(world.bodies('pipeline.w1.complete')).toHaveLength(world.status() === 'completed' ? 1 : 0);
        const counts = [...Map.groupBy(world.started(), (stage) => stage).values()].map((all) => all.length);
        expect(Math.max(...counts)).toBeLessThanOrEqual(3);
      },
    ),
    { numRuns: 500 },
  );
});
