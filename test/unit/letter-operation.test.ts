/** Replay and discard by filter: the real engine on a table in memory, step by step. */
import { expect, test } from 'vitest';
import { type Letter, letterKind, lookupChildren } from '#functions/dlq-processor/letter.ts';
import { type Operation, operationKind, operations } from '#functions/dlq-processor/operation.ts';
import { settings } from '#functions/dlq-processor/settings.ts';
import type { Batch } from '#shared/contract.ts';
import { runBatch } from '#shared/entity/engine.ts';
import type { Alarm } from '#shared/entity/entity.ts';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import { controlDlqDiscard, controlDlqReplay } from '#shared/messages/control.ts';
import type { Received } from '#shared/messages/message.ts';
import { memoryStore } from '#test/sim/memory-store.ts';
import { received, START } from '#test/support/decide.ts';

const DAY = 24 * 3_600_000;
const NOW = START + 40 * DAY;

const aLetter = (over: Partial<Letter> = {}): Letter => ({
  origin: 'S@1:1:1',
  subject: 'supervision.failures.high',
  function: 'f',
  stream: 'SUPERVISION_EVENTS',
  sequence: 1,
  consumer: 'S@1/f_a.1',
  code: 'function_error',
  reason: 'it threw',
  nature: 'poison',
  group: 'g',
  attempts: 5,
  firstAt: NOW - DAY,
  lastAt: NOW - DAY,
  cameAt: NOW - DAY,
  status: 'open',
  retries: 0,
  occurrences: ['o'],
  content: { of: 1, parts: [{ n: 1, bytes: 2, chunks: 0 }], fits: 100, inline: { data: '{}', encoding: 'utf8', headers: {} } },
  history: [],
  keepUntil: NOW + 30 * DAY,
  ...over,
});

const item = (key: EntityKey, state: unknown) => ({ key, version: 1, schema: 1, state, applied: {}, outbox: {}, nonce: 'n' });

/** Letters l000, l001, ... in a table, and operations on them. */
const post = async (letters: Letter[], environment: Record<string, string> = {}) => {
  const store = memoryStore({ clock: { now: () => NOW, after: () => () => {} } });
  const idOf = (n: number) => `l${String(n).padStart(3, '0')}`;
  for (const [n, letter] of letters.entries()) {
    const key = keyOf(letterKind.kind, idOf(n));
    await store.write([[item(key, letter)]]);
    await store.putChildren(lookupChildren(letter).map((child) => ({ key, ...child })));
  }
  let now = NOW;
  let sequence = 0;
  const run = async (key: EntityKey, event: Received<typeof controlDlqReplay | typeof controlDlqDiscard> | Alarm) => {
    const timestamp = new Date(now).toISOString();
    const record = {
      id: `T@1:${++sequence}:${now}`,
      subject: 's',
      data: '',
      encoding: 'utf8' as const,
      headers: {},
      sequence,
      deliveries: 1,
      timestamp,
    };
    const floor = { sequence: 0, asOf: new Date(0).toISOString() };
    const head = { eventSource: 'nats:jetstream' as const, binding: 'dlq-processor.alarms', consumer: 'T@1/d.1', floor };
    const batch: Batch = { ...head, deadline: new Date(now + 6000).toISOString(), Records: [record] };
    const clock = { now: () => now, after: () => () => {} };
    const engine = { store, clock, random: () => 0, settings: settings.parse(environment), kinds: [letterKind] };
    const { outcomes, timers } = await runBatch(engine, batch, [{ record, spec: operations, key, event }], `i${sequence}`);
    const outcome = outcomes.get(record.id);
    if (outcome?.result !== 'done') throw new Error(JSON.stringify(outcome));
    const subjects = outcome.publish.map(({ subject }) => subject);
    const woken = subjects.flatMap((subject) => /^timers\.due\.dlq-processor\.letter\.([^.]+)\./.exec(subject)?.[1] ?? []);
    return { woken, alerts: subjects.filter((subject) => subject.startsWith('alerts.')), at: timers[0]?.at, reply: outcome.reply };
  };
  const stateOf = async <State>(key: EntityKey) => (await store.load([key])).get(key)?.state as State;
  return {
    ask: (request: Received<typeof controlDlqReplay | typeof controlDlqDiscard>) =>
      run(keyOf(operationKind.kind, operations.id(request)), request),
    /** Lets the alarm go off at its time. */
    step: async (id: string, at: string | null | undefined) => {
      now = Date.parse(at ?? '');
      return run(keyOf(operationKind.kind, id), { message: 'alarm', due: now, key: keyOf(operationKind.kind, id) } satisfies Alarm);
    },
    operation: (id: string) => stateOf<Operation>(keyOf(operationKind.kind, id)),
    letter: (n: number) => stateOf<Letter>(keyOf(letterKind.kind, idOf(n))),
    /** As the letters themselves do when they are woken. */
    send: async (woken: string[], status: Letter['status'] = 'replayed') => {
      for (const id of woken) {
        const key = keyOf(letterKind.kind, id);
        const stored = (await store.load([key])).get(key);
        if (!stored) throw new Error(`there is no ${key}`);
        const { requestedBy: _, ...letter } = stored.state as Letter;
        await store.write([[{ ...stored, version: stored.version + 1, state: { ...letter, status } }]]);
      }
    },
  };
};

const replay = (body: object) => received(controlDlqReplay, {}, { by: 'kim', ...body }, { sentAt: NOW });
const discard = (body: object) => received(controlDlqDiscard, {}, { by: 'kim', ...body }, { sentAt: NOW });

test('a few go first, then the rest at the rate, then it is over', async () => {
  const { ask, step, send, operation } = await post(
    Array.from({ length: 12 }, () => aLetter()),
    { DLQ_REPLAY_RATE: '5' },
  );
  const request = replay({ reason: 'function_error' });
  const id = operations.id(request);
  const sent: number[] = [];
  let last = await ask(request);
  for (let steps = 0; last.at && steps < 10; steps++) {
    sent.push(last.woken.length);
    await send(last.woken);
    last = await step(id, last.at);
  }
  expect(sent.concat(last.woken.length)).toEqual([3, 0, 5, 4]);
  expect(await operation(id)).toMatchObject({ phase: 'done', taken: 12, by: 'kim', at: NOW });
});

test('a canary that came back stops it, and the rest stays', async () => {
  const { ask, step, send, operation, letter } = await post(Array.from({ length: 9 }, () => aLetter()));
  const request = replay({ group: 'g' });
  const first = await ask(request);
  await send(first.woken.slice(1));
  await send(first.woken.slice(0, 1), 'open');
  expect(await step(operations.id(request), first.at)).toMatchObject({ woken: [], alerts: ['alerts.medium'], at: null });
  expect(await operation(operations.id(request))).toMatchObject({ phase: 'stopped', taken: 3 });
  expect(await letter(5)).toEqual(aLetter());
});

test('what cannot be sent again is skipped and said', async () => {
  const { content: _, ...bare } = aLetter();
  const { ask, operation } = await post([aLetter({ retries: 10 }), aLetter({ subject: 'nobody.knows' }), bare, aLetter()]);
  const request = replay({ reason: 'function_error' });
  expect((await ask(request)).woken).toEqual(['l003']);
  expect((await operation(operations.id(request))).skipped).toEqual({
    'it was published again 10 times': 1,
    'its bytes are not known': 1,
    'no stream of the product carries its subject': 1,
  });
});

test('the canaries are the first that can be sent, wherever they are', async () => {
  const capped = Array.from({ length: 60 }, () => aLetter({ retries: 10 }));
  const { ask, step } = await post([...capped, ...Array.from({ length: 9 }, () => aLetter())]);
  const request = replay({ all: true });
  const first = await ask(request);
  expect([first.woken, (await step(operations.id(request), first.at)).woken]).toEqual([[], ['l060', 'l061', 'l062']]);
});

test('only what the filter says: since, until, subject, status, and not what came after the request', async () => {
  const { ask } = await post([
    aLetter({ cameAt: NOW - 3 * DAY }),
    aLetter({ cameAt: NOW - 2 * DAY }),
    aLetter({ cameAt: NOW - 2 * DAY, subject: 'work.nlp.high.ner' }),
    aLetter({ cameAt: NOW - 2 * DAY, status: 'discarded' }),
    aLetter({ cameAt: NOW - DAY }),
  ]);
  const since = new Date(NOW - 2 * DAY).toISOString();
  const until = new Date(NOW - DAY - 1).toISOString();
  expect((await ask(replay({ subject: 'supervision.>', since, until }))).woken).toEqual(['l001']);
});

test('what came after the request is not its concern, and what has expired is gone', async () => {
  const { ask } = await post([aLetter({ cameAt: NOW + 1 }), aLetter({ keepUntil: NOW }), aLetter()]);
  expect((await ask(replay({ all: true }))).woken).toEqual(['l002']);
});

test('a discard takes all, step by step, up to its limit', async () => {
  const { ask, step, operation, letter } = await post(Array.from({ length: 120 }, () => aLetter()));
  const request = discard({ all: true, limit: 110 });
  const id = operations.id(request);
  let last = await ask(request);
  for (let steps = 0; last.at && steps < 10; steps++) last = await step(id, last.at);
  expect(await operation(id)).toMatchObject({ phase: 'done', taken: 110 });
  const states = await Promise.all([0, 109, 110].map(async (n) => (await letter(n)).status));
  expect(states).toEqual(['discarded', 'discarded', 'open']);
  expect((await letter(0)).history).toEqual([{ at: NOW, what: 'discarded', by: 'kim' }]);
});

test('the answer says what it will do', async () => {
  const { ask } = await post([aLetter()]);
  expect((await ask(replay({ id: 'l000' }))).reply).toMatchObject({
    body: { operation: { action: 'replay', by: 'kim', phase: 'watching', canaries: ['l000'], taken: 1 } },
  });
});
