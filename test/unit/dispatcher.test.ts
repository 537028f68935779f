import { describe, expect, it } from 'vitest';
import { InvokeError, type InvokeFailure, PublishError } from '#infra/bridge/ports/ports.ts';
import type { Batch } from '#shared/contract.ts';
import { anAnswer, aRecord, fakeWorld, memoryInHand } from '#test/support/fake-ports.ts';

const failing =
  (kind: InvokeFailure, poison = (_batch: Batch) => true) =>
  async (batch: Batch) => {
    if (poison(batch)) throw new InvokeError(kind, `${kind}, by the test`);
    return anAnswer();
  };
/** The function fails one record; a settle bars it. */
const failed =
  (sequence: number, over = {}) =>
  async (batch: Batch) => {
    const { id } = aRecord(sequence);
    if (batch.settle) return anAnswer({ tombstoned: [id] });
    return anAnswer({ batchItemFailures: [{ itemIdentifier: id, reason: { code: 'no', message: 'not now' }, ...over }] });
  };
const anOutput = (sequence: number, subject = 'out.a') => ({ cause: aRecord(sequence).id, subject, data: '1' });
const never = () => new Promise<never>(() => {});

/** Delivers the record again at every nak, as a server would, until nothing more is said for 20 s. */
const redeliver = async (world: ReturnType<typeof fakeWorld>, sequence: number) => {
  for (let deliveries = 1; deliveries < 20; deliveries++) {
    const before = world.said.length;
    world.deliver(aRecord(sequence, { deliveries }));
    await world.time.advance(20_000);
    if (!world.said.slice(before).some((said) => said.includes('nak'))) return;
  }
};

describe('what becomes of a record', () => {
  it('is acked when it is done', async () => {
    const world = fakeWorld();
    world.deliver(aRecord(1));
    await world.time.advance(10);
    expect([world.asked(), world.said]).toEqual([['1'], ['1 ack']]);
  });

  it('is tried again by the binding’s backoff, the rest of its batch is acked', async () => {
    const world = fakeWorld({ binding: { batchWindow: 5 } });
    world.answer = failed(1);
    world.deliver(aRecord(1), aRecord(2));
    await world.time.advance(100);
    expect(world.said).toEqual(['2 ack', '1 nak 1000']);
  });

  it('is tried again when the function wants', async () => {
    const world = fakeWorld();
    world.answer = failed(1, { retryAfterMs: 77 });
    world.deliver(aRecord(1));
    await world.time.advance(10);
    expect(world.said).toEqual(['1 nak 77']);
  });

  it('is dead-lettered after its attempts', async () => {
    const world = fakeWorld();
    world.answer = failed(1);
    await redeliver(world, 1);
    expect(world.said).toEqual(['1 nak 1000', '1 nak 5000', '1 ack']);
    expect(
      world.published.map(({ subject, headers }) => [subject, headers?.['X-Dead-Letter-Attempts'], headers?.['X-Dead-Letter-Code']]),
    ).toEqual([['dlq.in.a', ['3'], ['no']]]);
  });

  it('is dead-lettered at once when trying again is useless', async () => {
    const world = fakeWorld();
    world.answer = failed(1, { deadLetter: true });
    world.deliver(aRecord(1));
    await world.time.advance(10);
    expect([world.published.length, world.said]).toEqual([1, ['1 ack']]);
  });

  it('is dead-lettered at once, without the rest of its batch, when it is too large to be sent', async () => {
    const world = fakeWorld({ binding: { batchWindow: 5 } });
    world.answer = failing('too_large', (batch) => batch.Records.some(({ sequence }) => sequence === 2));
    world.deliver(aRecord(1), aRecord(2), aRecord(3));
    await world.time.advance(20_000);
    expect([world.asked(), world.said]).toEqual([
      ['1 2 3', '1 2', '1', '2', '3'],
      ['1 ack', '2 ack', '3 ack'],
    ]);
    expect(world.published.map(({ headers }) => headers?.['X-Dead-Letter-Code'])).toEqual([['too_large']]);
  });

  it('is dead-lettered when it is older than the binding allows', async () => {
    const world = fakeWorld({ binding: { retry: { attempts: 99, backoff: [10], maxAge: 60_000 } } });
    world.answer = failed(1);
    world.deliver(aRecord(1, { timestamp: new Date(world.time.now() - 60_001).toISOString() }));
    await world.time.advance(10);
    expect(world.published.map(({ subject }) => subject)).toEqual(['dlq.in.a']);
  });

  it('is not acked while its dead letter cannot be published', async () => {
    const world = fakeWorld();
    world.answer = failed(1, { deadLetter: true });
    world.publish = async () => Promise.reject(new PublishError('the stream is full', true));
    world.deliver(aRecord(1));
    await world.time.advance(2000);
    expect([world.said.filter((said) => said !== '1 working'), world.dispatcher.blocked()]).toEqual([
      [],
      'fn cannot publish: the stream is full',
    ]);
  });

  it('of the dead letters themselves has no dead letter', async () => {
    const world = fakeWorld();
    world.answer = failed(1, { deadLetter: true });
    world.deliver(aRecord(1, { subject: 'dlq.in.a' }));
    await world.time.advance(10);
    expect([world.published, world.said]).toEqual([[], ['1 nak 60000']]);
  });

  it('is never a dead letter when it is an alarm', async () => {
    const world = fakeWorld({ binding: { name: 'fn.alarms', alarms: true } });
    world.answer = failed(1, { deadLetter: true });
    await redeliver(world, 1);
    expect([world.published, world.said.length]).toEqual([[], 19]);
  });
});

describe('a batch that fails as a whole', () => {
  it('is halved until the poison stands alone, after a throw', async () => {
    const world = fakeWorld({ binding: { batchWindow: 5 } });
    world.answer = failing('function_error', (batch) => batch.Records.some(({ sequence }) => sequence === 3));
    world.deliver(...[1, 2, 3, 4].map((n) => aRecord(n)));
    await world.time.advance(100);
    expect([world.asked(), world.said]).toEqual([
      ['1 2 3 4', '1 2', '3 4', '3', '4'],
      ['1 ack', '2 ack', '3 nak 1000', '4 ack'],
    ]);
  });

  it('is halved after an answer that is none', async () => {
    const world = fakeWorld({ binding: { batchWindow: 5 } });
    world.answer = async (batch) => (batch.Records.length > 1 ? { thanks: true } : anAnswer());
    world.deliver(aRecord(1), aRecord(2));
    await world.time.advance(100);
    expect(world.said).toEqual(['1 ack', '2 ack']);
  });

  it('is halved after an answer for a record that it does not have', async () => {
    const world = fakeWorld({ binding: { batchWindow: 5 } });
    world.answer = failed(9);
    world.deliver(aRecord(1), aRecord(2));
    await world.time.advance(100);
    expect([world.asked(), world.said]).toEqual([
      ['1 2', '1', '2'],
      ['1 nak 1000', '2 nak 1000'],
    ]);
  });

  it('is not touched before deadline and write margin when it timed out', async () => {
    const world = fakeWorld({ binding: { batchWindow: 5 } });
    world.answer = (batch) => (batch.Records.length > 1 ? never() : Promise.resolve(anAnswer()));
    world.deliver(aRecord(1), aRecord(2));
    await world.time.advance(1500);
    expect(world.asked()).toEqual(['1 2']);
    await world.time.advance(100);
    expect([world.asked(), world.said]).toEqual([
      ['1 2', '1', '2'],
      ['1 ack', '2 ack'],
    ]);
  });

  it('waits for deadline and write margin also when the invoker knows earlier that it timed out', async () => {
    const world = fakeWorld();
    world.answer = failing('timeout');
    world.deliver(aRecord(1));
    await world.time.advance(1400);
    expect(world.said).toEqual([]);
    await world.time.advance(200);
    expect(world.said).toEqual(['1 nak 1000']);
  });

  it('is held and loses no attempt when the function was not entered', async () => {
    const world = fakeWorld({ binding: { batchWindow: 5 } });
    let throttles = 6;
    world.answer = async (batch) => (throttles-- > 0 ? failing('throttled')(batch) : failed(1)(batch));
    world.deliver(aRecord(1), aRecord(2));
    await world.time.advance(20_000);
    expect([new Set(world.asked()), world.said.filter((said) => !said.includes('working'))]).toEqual([
      new Set(['1 2']),
      ['2 ack', '1 nak 1000'],
    ]);
  });
});

describe('a last attempt whose outcome is unknown is settled', () => {
  const settledBy = async (settle: () => Promise<unknown>, first: InvokeFailure = 'timeout') => {
    const world = fakeWorld({ binding: { retry: { attempts: 1, backoff: [1000], maxAge: 3_600_000 } } });
    world.answer = (batch) => (batch.settle ? settle() : failing(first)(batch));
    world.deliver(aRecord(1));
    await world.time.advance(5000);
    return world;
  };

  it('to a dead letter when it had not acted', async () => {
    const world = await settledBy(async () => anAnswer({ tombstoned: [aRecord(1).id] }));
    expect([world.asked(), world.published.map(({ subject }) => subject), world.said.at(-1)]).toEqual([
      ['1', 'settle 1'],
      ['dlq.in.a'],
      '1 ack',
    ]);
  });

  it('to its outputs and an ack when it had', async () => {
    const world = await settledBy(async () => anAnswer({ publish: [anOutput(1)] }));
    expect([world.published.map(({ subject }) => subject), world.said.at(-1)]).toEqual([['out.a'], '1 ack']);
  });

  it('after a throw, too', async () => {
    const world = await settledBy(async () => anAnswer({ tombstoned: [aRecord(1).id] }), 'function_error');
    expect([world.asked(), world.published.length]).toEqual([['1', 'settle 1'], 1]);
  });

  it('and tried again when that fails', async () => {
    const world = await settledBy(never);
    expect([world.published, world.said.at(-1)]).toEqual([[], '1 nak 1000']);
  });

  it('unless it is a refusal, and no earlier attempt may have acted', async () => {
    const world = fakeWorld({ binding: { retry: { attempts: 2, backoff: [1000], maxAge: 3_600_000 } } });
    const refused = failed(1, { deadLetter: true });
    world.answer = (batch) => (world.batches.length === 1 ? failing('function_error') : refused)(batch);
    await redeliver(world, 1);
    expect([world.asked(), world.published.length]).toEqual([['1', '1', 'settle 1'], 1]);
  });

  it('of a record without a stream: its outputs go out, and it is never decided again', async () => {
    const world = fakeWorld({ eventSource: 'nats:core' });
    world.answer = async (batch) => (batch.settle ? anAnswer({ publish: [anOutput(1)] }) : failing('timeout')(batch));
    world.deliver(aRecord(1));
    await world.time.advance(5000);
    expect([world.asked(), world.published.map(({ subject }) => subject), world.said]).toEqual([['1', 'settle 1'], ['out.a'], ['1 ack']]);
  });
});

describe('a record that kills whatever touches it', () => {
  it('is invoked alone once it was delivered more often than its attempts', async () => {
    const world = fakeWorld({ binding: { batchWindow: 5 } });
    world.deliver(aRecord(1), aRecord(2, { deliveries: 4 }), aRecord(3));
    await world.time.advance(100);
    expect(world.asked()).toEqual(['1', '2', '3']);
  });

  it('is settled without being decided once so many processes in a row died with it', async () => {
    const notes = new Map([['fn.events', { record: aRecord(1).id, deaths: 2 }]]);
    const world = fakeWorld({ inHand: memoryInHand(notes) });
    world.answer = async (batch) => anAnswer(batch.settle ? { tombstoned: [aRecord(1).id] } : {});
    world.deliver(aRecord(1, { deliveries: 10 }));
    await world.time.advance(100);
    expect([world.asked(), world.published.map(({ headers }) => headers?.['X-Dead-Letter-Code']), world.said, notes.size]).toEqual([
      ['settle 1'],
      [['exhausted']],
      ['1 ack'],
      0,
    ]);
  });

  it('does not take with it what waits behind it and what was given back: these were delivered as often', async () => {
    const notes = new Map([['fn.events', { record: aRecord(1).id, deaths: 2 }]]);
    const world = fakeWorld({ inHand: memoryInHand(notes), binding: { groupBy: undefined } });
    world.answer = async (batch) => anAnswer(batch.settle ? { tombstoned: batch.Records.map(({ id }) => id) } : {});
    world.deliver(...[1, 2, 3].map((sequence) => aRecord(sequence, { deliveries: 99 })));
    await world.time.advance(100);
    expect([world.asked(), world.published.length]).toEqual([['settle 1', '2', '3'], 1]);
  });

  it('is noted while a process has it in hand, and only then', async () => {
    const notes = new Map();
    const world = fakeWorld({ inHand: memoryInHand(notes) });
    const noted: unknown[] = [];
    world.answer = async () => {
      noted.push(...notes);
      return anAnswer();
    };
    world.deliver(aRecord(1, { deliveries: 4 }));
    await world.time.advance(100);
    expect([noted, notes.size]).toEqual([[['fn.events', { record: aRecord(1).id, deaths: 0 }]], 0]);
  });
});

describe('outputs', () => {
  it('go out before the ack, with a message id made of function, record and index', async () => {
    const world = fakeWorld();
    world.answer = async () => anAnswer({ publish: [anOutput(1), anOutput(1)], timers: [{ key: 'counter.a', at: null, version: 1 }] });
    const order: string[] = [];
    world.publish = async () => void order.push(`publish, said ${world.said.length}`);
    world.setTimers = async () => void order.push(`timers, said ${world.said.length}`);
    world.deliver(aRecord(1));
    await world.time.advance(10);
    expect([order, world.said]).toEqual([['publish, said 0', 'timers, said 0'], ['1 ack']]);
    expect(world.published.map(({ messageId }) => messageId)).toEqual([`fn.1:${aRecord(1).id}:0`, `fn.1:${aRecord(1).id}:1`]);
  });

  it('that fail are published again until they are out: no attempt, no ack, no next batch', async () => {
    const world = fakeWorld();
    world.answer = async (batch) => anAnswer({ publish: [anOutput(batch.Records[0]?.sequence ?? 0)] });
    let fails = 4;
    world.publish = async () => (fails-- > 0 ? Promise.reject(new PublishError('no leader', true)) : undefined);
    world.deliver(aRecord(1), aRecord(2));
    await world.time.advance(200);
    expect(world.asked()).toEqual(['1']);
    await world.time.advance(10_000);
    expect([world.asked(), world.said.filter((said) => !said.includes('working')), world.dispatcher.blocked()]).toEqual([
      ['1', '2'],
      ['1 ack', '2 ack'],
      undefined,
    ]);
  });

  it('to a subject that the function may not publish to are refused, with a dead letter', async () => {
    const world = fakeWorld();
    world.answer = async () => anAnswer({ publish: [anOutput(1, 'secret.a')] });
    world.deliver(aRecord(1));
    await world.time.advance(10);
    expect(world.published.map(({ subject, headers }) => [subject, headers?.['X-Dead-Letter-Code']])).toEqual([
      ['dlq.in.a', ['publish_refused']],
    ]);
  });

  it('that no stream will ever take are a dead letter, the others go out', async () => {
    const world = fakeWorld({ binding: { batchWindow: 5 } });
    world.answer = async () => anAnswer({ publish: [anOutput(1, 'out.huge'), anOutput(2)] });
    world.publish = async (messages) => {
      if (messages.some(({ subject }) => subject === 'out.huge')) throw new PublishError('too large', false);
    };
    world.deliver(aRecord(1), aRecord(2));
    await world.time.advance(100);
    expect([world.published.map(({ subject }) => subject), world.said]).toEqual([
      ['out.a', 'dlq.in.a'],
      ['2 ack', '1 ack'],
    ]);
  });

  it('say who published them, but for requests: clients hand the headers of a request back with its answer', async () => {
    const world = fakeWorld();
    world.answer = async () => anAnswer({ publish: [anOutput(1), { ...anOutput(1), reply: 'answers.a' }] });
    world.deliver(aRecord(1));
    await world.time.advance(100);
    expect(world.published.map(({ headers }) => headers)).toEqual([{ 'X-Published-By': ['fn'] }, {}]);
  });

  it('of the function itself are not delivered to it, unless it asks for them', async () => {
    const mine = { headers: { 'X-Published-By': ['fn'] } };
    for (const own of [false, true]) {
      const world = fakeWorld({ fn: { own } });
      world.deliver(aRecord(1, mine));
      await world.time.advance(10);
      expect([world.batches.length, world.said]).toEqual([own ? 1 : 0, ['1 ack']]);
    }
  });
});

describe('what the server is told', () => {
  it('nothing, when it delivers again what the bridge still holds', async () => {
    const world = fakeWorld();
    world.answer = () => new Promise((resolve) => world.time.at(world.time.now() + 100, () => resolve(anAnswer())));
    world.deliver(aRecord(1), aRecord(2));
    world.deliver(aRecord(1, { deliveries: 2 }), aRecord(2, { deliveries: 2 }));
    await world.time.advance(1000);
    expect([world.asked(), world.said]).toEqual([
      ['1', '2'],
      ['1 ack', '2 ack'],
    ]);
  });

  it('nothing of what it delivered before it lost its tail: a new message may have the sequence', async () => {
    const world = fakeWorld();
    world.answer = () => new Promise((resolve) => world.time.at(world.time.now() + 100, () => resolve(anAnswer())));
    world.deliver(aRecord(1), aRecord(2));
    world.deliver(aRecord(2, { id: 'EVENTS@1:2:9999', subject: 'in.b', timestamp: '2026-01-01T00:01:00.000Z' }));
    await world.time.advance(1000);
    expect(world.said).toEqual(['2 ack']);
  });

  it('what it was told under: a stream made anew has another identity, and another floor', async () => {
    const world = fakeWorld({ binding: { batchWindow: 5 } });
    world.floor = async () => ({ sequence: 7, asOf: '2026-01-01T00:00:00.000Z' });
    world.deliver(aRecord(1));
    world.consumer = 'EVENTS@2/fn_events.1';
    world.deliver(aRecord(2));
    await world.time.advance(100);
    expect(world.batches.map(({ consumer, floor }) => [consumer, floor.sequence])).toEqual([
      ['EVENTS@1/fn_events.1', 0],
      ['EVENTS@2/fn_events.1', 7],
    ]);
  });

  it('that work goes on, as long as a message waits', async () => {
    const world = fakeWorld({ fn: { timeout: 60_000 } });
    world.answer = never;
    world.deliver(aRecord(1), aRecord(2));
    await world.time.advance(20_000);
    for (const sequence of [1, 2]) expect(world.said.filter((said) => said === `${sequence} working`).length).toBeGreaterThan(4);
  });

  it('to wait, while the newest message is 10,000 ahead of the oldest one that is unsettled', async () => {
    const world = fakeWorld({ fn: { timeout: 60_000 } });
    world.answer = never;
    world.deliver(aRecord(1));
    const room = world.room();
    world.deliver(aRecord(10_001));
    expect([room, world.room()]).toEqual([9_999, 0]);
  });

  it('a fresh floor is read before an invocation when the last one is older than a second', async () => {
    const world = fakeWorld();
    let sequence = 0;
    world.floor = async () => ({ sequence: ++sequence, asOf: new Date(world.time.now()).toISOString() });
    for (const wait of [0, 500, 2000]) {
      await world.time.advance(wait);
      world.deliver(aRecord(10 + wait));
      await world.time.advance(0);
    }
    const ages = world.batches.map(({ floor, deadline }) => Date.parse(deadline) - 1000 - Date.parse(floor.asOf));
    expect(ages.every((age) => age <= 1000)).toBe(true);
  });
});

describe('core messages and requests', () => {
  it('of a folding binding: the newest stands for all that arrived', async () => {
    const world = fakeWorld({
      eventSource: 'nats:core',
      binding: { source: { kind: 'core', subjects: ['in.>'], fold: 'latest' }, batchWindow: 50 },
    });
    for (const n of [1, 2, 3]) world.deliver(aRecord(n, { timestamp: `2026-01-01T00:00:0${n}.000Z` }));
    world.deliver(aRecord(4, { subject: 'in.b' }));
    await world.time.advance(100);
    expect(world.batches[0]?.Records.map(({ sequence, folded }) => [sequence, folded])).toEqual([
      [3, { count: 3, first: '2026-01-01T00:00:01.000Z', last: '2026-01-01T00:00:03.000Z' }],
      [4, undefined],
    ]);
  });

  it('are answered', async () => {
    const world = fakeWorld({ eventSource: 'nats:request' });
    world.answer = async () => anAnswer({ replies: [{ itemIdentifier: aRecord(1).id, data: '{"ok":true}' }] });
    world.deliver(aRecord(1));
    await world.time.advance(10);
    expect(world.replies).toEqual([{ data: '{"ok":true}' }]);
  });

  it('are answered with the reason when the function fails', async () => {
    const world = fakeWorld({ eventSource: 'nats:request' });
    world.answer = failing('function_error');
    world.deliver(aRecord(1));
    await world.time.advance(5000);
    expect([world.replies, world.said]).toEqual([
      [{ error: { code: 'function_error', message: 'function_error, by the test' } }],
      ['1 ack'],
    ]);
  });
});

describe('drain', () => {
  it('finishes what is in flight and gives the rest back', async () => {
    const world = fakeWorld();
    world.answer = () => new Promise((resolve) => world.time.at(world.time.now() + 100, () => resolve(anAnswer())));
    world.deliver(aRecord(1), aRecord(2));
    const drained = world.dispatcher.drain();
    await world.time.advance(1000);
    await drained;
    expect([world.asked(), world.said]).toEqual([['1'], ['stop', '1 ack', '2 nak 0']]);
  });

  it('gives back what cannot be published', async () => {
    const world = fakeWorld();
    world.answer = async () => anAnswer({ publish: [anOutput(1)] });
    world.publish = async () => Promise.reject(new PublishError('no leader', true));
    world.deliver(aRecord(1));
    await world.time.advance(500);
    const drained = world.dispatcher.drain();
    await world.time.advance(10_000);
    await drained;
    expect(world.said.at(-1)).toBe('1 nak 0');
  });
});
